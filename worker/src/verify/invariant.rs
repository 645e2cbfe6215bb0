//! What an invariant is: a name, a sentence, and a statement that finds what breaks it.

use ordermill_common::id::{MessageId, OrderId, PaymentId, ProductId, UserId};
use sqlx::types::Uuid;

/// Something that holds at every moment between two commits.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its name: stable, for scripts and tests.
    pub name: &'static str,
    /// What holds, in a sentence.
    pub says: &'static str,
    /// What its offenders are.
    pub(super) of: Kind,
    /// What the statement's parameters are.
    pub(super) takes: Takes,
    /// Selects the offenders: `id`, and a word about each as `detail`.
    pub(super) sql: &'static str,
}

/// What an offender's id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Order,
    Product,
    Payment,
    User,
    Message,
}

/// The parameters of an invariant's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// The limit in seconds.
    Limit,
    /// The moves between statuses, as a JSON array of `{"from", "to"}`.
    Moves,
}

impl Kind {
    /// The id as it is written everywhere else, with its prefix.
    pub(super) fn write(self, id: Uuid) -> String {
        match self {
            Self::Order => OrderId::from_uuid(id).to_string(),
            Self::Product => ProductId::from_uuid(id).to_string(),
            Self::Payment => PaymentId::from_uuid(id).to_string(),
            Self::User => UserId::from_uuid(id).to_string(),
            Self::Message => MessageId::from_uuid(id).to_string(),
        }
    }
}

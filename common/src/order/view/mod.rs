//! Orders as they are read, from the moment of their acceptance: a checkout that no worker has seen yet is
//! an order that is `accepted`. Its lines are always the checkout's snapshot.

mod admin;
pub mod store;
#[cfg(test)]
mod tests;

pub use admin::Filter;

use chrono::{DateTime, Utc};

use super::Status;
use crate::cancellation::Outcome;
use crate::checkout::{Checkout, SnapshotLine, snapshot};
use crate::id::{OrderId, UserId};
use crate::payment::PaymentStatus;
use crate::stock::Shortfall;

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The order.
    pub id: OrderId,
    /// Its buyer.
    pub user_id: UserId,
    /// Where it stands.
    pub status: Status,
    /// One more for each change that the buyer can see.
    pub version: i64,
    /// Why, for the statuses that have reasons.
    pub reason: Option<String>,
    /// Minor units, as accepted.
    pub total: i64,
    /// The payment method's token.
    pub payment_method: String,
    /// Its payment, once there is one.
    pub payment: Option<Payment>,
    /// Somebody's wish to cancel it.
    pub cancellation: Option<Wish>,
    /// When it was accepted.
    pub accepted_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// An order with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// What a list shows, too.
    pub head: Head,
    /// What was bought, as it was called and priced then.
    pub lines: Vec<SnapshotLine>,
    /// What was short, if it was rejected for that.
    pub shortfall: Vec<Shortfall>,
    /// Every change, the acceptance first.
    pub history: Vec<Entry>,
}

/// How an order's payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its status.
    pub status: PaymentStatus,
    /// Why the gateway declined.
    pub decline_reason: Option<String>,
}

/// A wish to cancel, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// What was said.
    pub reason: Option<String>,
    /// What became of it; `None` until a worker has decided.
    pub outcome: Option<Outcome>,
}

/// One change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The order's version after it.
    pub version: i64,
    /// Where the order stood after it.
    pub status: Status,
    /// What happened.
    pub event: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who caused it.
    pub by: String,
    /// A word on why.
    pub reason: Option<String>,
}

impl Head {
    /// Differs whenever something that a client sees of the order differs.
    pub fn tag(&self) -> String {
        let payment = self.payment.as_ref().map_or("", |payment| payment.status.as_str());
        let wish = self.cancellation.as_ref();
        let wish = wish.map_or("", |wish| wish.outcome.map_or("asked", Outcome::as_str));
        format!("{}.{payment}.{wish}", self.version)
    }
}

impl OrderView {
    /// The order as it is when its checkout has just been accepted, whatever has become of it since: the
    /// answer to a checkout, and to each repetition of it.
    pub fn accepted(checkout: &Checkout) -> Self {
        let head = Head {
            id: checkout.order_id,
            user_id: checkout.user_id,
            status: Status::Accepted,
            version: 1,
            reason: None,
            total: checkout.total,
            payment_method: checkout.payment_method.clone(),
            payment: None,
            cancellation: None,
            accepted_at: checkout.accepted_at,
            updated_at: checkout.accepted_at,
        };
        let history = vec![Entry::accepted(checkout.accepted_at)];
        let lines = lines(checkout.order_id, &checkout.lines);
        Self { head, lines, shortfall: Vec::new(), history }
    }
}

impl Entry {
    fn accepted(at: DateTime<Utc>) -> Self {
        let (status, by) = (Status::Accepted, "buyer".to_owned());
        Self { version: 1, status, event: status.as_str().to_owned(), at, by, reason: None }
    }
}

/// None for a snapshot that cannot be read: its buyer can see all the same how the order ended.
fn lines(order: OrderId, snapshot: &str) -> Vec<SnapshotLine> {
    snapshot::read(snapshot).unwrap_or_else(|error| {
        tracing::error!(order.id = %order, error = %error, "a snapshot cannot be read");
        Vec::new()
    })
}

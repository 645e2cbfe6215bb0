//! Accepting: what the carts of a batch hold becomes checkouts, and the carts are empty.
//!
//! ```text
//! lock carts -> look the keys up -> decide each member in the order of arrival (plan, pure)
//!            -> insert checkouts and outbox rows -> empty the carts, raise their versions, note last_order
//! ```
//!
//! - The key is looked up before anything is validated: a repeated request gets its first answer, whatever
//!   cart, price or order have become since. A refusal stores nothing, so that no failure burns a key.
//! - Lock order: the carts by ascending user id, and nothing after them; the rest is only inserted.

mod plan;
mod store;
mod write;

pub use write::Accepts;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Checkout, HeaderKey};
use crate::broker::Kind;
use crate::id::{MessageId, OrderId, ProductId, UserId};
use crate::outbox::OutboxRow;
use crate::payment::Method;
use crate::trace::RequestId;

/// One buyer's request to order what is in the cart. Ids and time are the caller's.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The buyer.
    pub user: UserId,
    /// The key from the header, if there was one.
    pub key: Option<HeaderKey>,
    /// SHA-256 of the request's body.
    pub fingerprint: [u8; 32],
    /// What the body asks for; `None` when it is not valid, which matters only if the key is new.
    pub wanted: Option<Wanted>,
    /// The order's id, should it be accepted.
    pub order_id: OrderId,
    /// The id of the message that wakes a worker for it.
    pub message_id: MessageId,
    /// The request.
    pub request_id: RequestId,
    /// Now.
    pub at: DateTime<Utc>,
}

impl Accept {
    /// The message that wakes a worker, should it be accepted.
    pub fn message(&self) -> OutboxRow {
        OutboxRow {
            id: self.message_id,
            kind: Kind::OrderCheckoutV1,
            order_id: self.order_id,
            request_id: self.request_id.clone(),
        }
    }
}

/// A valid body.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// How the buyer pays.
    pub method: Method,
    /// What the buyer expects to pay at most, in minor units.
    pub expected_total: Option<i64>,
}

/// What a buyer is told.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The order is accepted; its message ([`Accept::message`]) is stored, and the caller's to publish.
    Accepted(Arc<Checkout>),
    /// It was accepted before, by this request or one like it.
    Replayed(Arc<Checkout>),
    /// It was not accepted; nothing was stored.
    Refused(Refusal),
}

/// Why a checkout was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The key came with another body before.
    KeyReused,
    /// The body is not valid, and the key is new.
    Invalid,
    /// There is nothing in the cart.
    EmptyCart,
    /// Some products are no longer sold.
    Unavailable(Vec<Unavailable>),
    /// It costs more than the buyer expects.
    TotalIncreased {
        /// What the buyer expects, in minor units.
        expected: i64,
        /// What it costs, in minor units.
        total: i64,
    },
    /// The total does not fit any amount of money.
    TotalTooLarge,
}

/// A product of the cart that is no longer sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The product.
    pub product_id: ProductId,
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
}

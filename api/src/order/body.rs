//! An order on the wire.

use chrono::{DateTime, Utc};
use ordermill_common::cancellation::Outcome;
use ordermill_common::checkout::SnapshotLine;
use ordermill_common::clock;
use ordermill_common::id::{OrderId, ProductId, UserId};
use ordermill_common::money::{Currency, Money, line_total};
use ordermill_common::order::Status;
use ordermill_common::order::view::{Entry, Head, OrderView, Payment, Wish};
use ordermill_common::payment::PaymentStatus;
use ordermill_common::stock::Shortfall;
use serde::Serialize;

/// Who looks: each sees the moves that are theirs; only admins see whose the order is and which of them
/// touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    /// The buyer.
    Buyer,
    /// An admin.
    Admin,
}

/// An order in a list.
#[derive(Debug, Serialize)]
pub struct HeadBody {
    id: OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    status: Status,
    version: i64,
    reason: Option<String>,
    total: Money,
    payment_method: String,
    payment: Option<PaymentBody>,
    cancellation: Option<WishBody>,
    allowed_transitions: Vec<Status>,
    #[serde(serialize_with = "clock::serialize")]
    accepted_at: DateTime<Utc>,
    #[serde(serialize_with = "clock::serialize")]
    updated_at: DateTime<Utc>,
}

/// An order with everything that is known of it.
#[derive(Debug, Serialize)]
pub struct OrderBody {
    #[serde(flatten)]
    head: HeadBody,
    shortfall: Vec<Shortfall>,
    lines: Vec<LineBody>,
    history: Vec<EntryBody>,
}

#[derive(Debug, Serialize)]
struct PaymentBody {
    status: PaymentStatus,
    decline_reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct WishBody {
    #[serde(serialize_with = "clock::serialize")]
    requested_at: DateTime<Utc>,
    reason: Option<String>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Serialize)]
struct LineBody {
    product_id: ProductId,
    sku: String,
    name: String,
    quantity: u32,
    price: Money,
    line_total: Option<Money>,
}

#[derive(Debug, Serialize)]
struct EntryBody {
    version: i64,
    status: Status,
    event: String,
    #[serde(serialize_with = "clock::serialize")]
    at: DateTime<Utc>,
    by: String,
    reason: Option<String>,
}

impl HeadBody {
    /// The order as these eyes see it.
    pub fn new(head: Head, currency: Currency, eyes: Eyes) -> Self {
        let payment = |Payment { status, decline_reason }| PaymentBody { status, decline_reason };
        let wish =
            |Wish { requested_at, reason, outcome }| WishBody { requested_at, reason, outcome };
        let (user_id, allowed_transitions) = match eyes {
            Eyes::Buyer => (None, head.status.buyer_transitions()),
            Eyes::Admin => (Some(head.user_id), head.status.admin_transitions()),
        };
        Self {
            id: head.id,
            user_id,
            status: head.status,
            version: head.version,
            reason: head.reason,
            total: Money { amount: head.total, currency },
            payment_method: head.payment_method,
            payment: head.payment.map(payment),
            cancellation: head.cancellation.map(wish),
            allowed_transitions,
            accepted_at: head.accepted_at,
            updated_at: head.updated_at,
        }
    }
}

impl OrderBody {
    /// The order as these eyes see it.
    pub fn new(order: OrderView, currency: Currency, eyes: Eyes) -> Self {
        let line = |line: SnapshotLine| LineBody {
            product_id: line.product_id,
            line_total: line_total(line.price, line.quantity)
                .map(|amount| Money { amount, currency }),
            price: Money { amount: line.price, currency },
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
        };
        Self {
            head: HeadBody::new(order.head, currency, eyes),
            shortfall: order.shortfall,
            lines: order.lines.into_iter().map(line).collect(),
            history: order.history.into_iter().map(|entry| entry_body(entry, eyes)).collect(),
        }
    }
}

fn entry_body(entry: Entry, eyes: Eyes) -> EntryBody {
    let Entry { version, status, event, at, by, reason } = entry;
    let by = match (eyes, by.split_once(' ')) {
        (Eyes::Buyer, Some((role, _))) => role.to_owned(),
        _ => by,
    };
    EntryBody { version, status, event, at, by, reason }
}

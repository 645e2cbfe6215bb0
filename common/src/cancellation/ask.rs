//! Asking to cancel: the wish and the message that wakes a worker for it are one transaction.

use chrono::{DateTime, Utc};

use super::store;
use crate::broker::Kind;
use crate::checkout;
use crate::db::batch::Locks;
use crate::db::{Result, Tx, flush};
use crate::id::{MessageId, OrderId, OwnerId, UserId};
use crate::order::{self, Applied, IllegalMove, Move, Status};
use crate::outbox::{self, OutboxRow};
use crate::trace::RequestId;

/// A wish to cancel. Ids and time are the caller's.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The order.
    pub order_id: OrderId,
    /// Only if it is this buyer's; `None` for admins.
    pub owner: Option<UserId>,
    /// Who asks: `buyer`, or the role and id of an admin.
    pub by: String,
    /// What they say; at most 200 characters.
    pub reason: Option<String>,
    /// The request.
    pub request_id: RequestId,
    /// The id of the message that wakes a worker.
    pub message_id: MessageId,
    /// Now.
    pub at: DateTime<Utc>,
}

/// What became of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Asked {
    /// It is noted, and its message is stored: the caller's to publish.
    Now(OutboxRow),
    /// It was asked for before, or the order is cancelled.
    Before,
    /// The order can no longer be cancelled.
    Illegal(IllegalMove),
    /// There is no such order, or not for this buyer.
    Unknown,
}

/// Notes the wish unless there is one. Lock order: the checkout's row, so that two wishes for one order
/// come one after the other, and nothing after it; the rest is only inserted.
pub async fn ask(tx: &mut Tx<'_>, publisher: OwnerId, wish: &Wish) -> Result<Asked> {
    let ids = [wish.order_id];
    let checkouts = checkout::store::lock(tx, &ids, Locks::Wait).await?;
    let theirs = |user| wish.owner.is_none_or(|owner| owner == user);
    if !checkouts.iter().any(|checkout| theirs(checkout.user_id)) {
        return Ok(Asked::Unknown);
    }
    let message = OutboxRow {
        id: wish.message_id,
        kind: Kind::OrderCancelV1,
        order_id: wish.order_id,
        request_id: wish.request_id.clone(),
    };
    if let Some(noted) = store::read(tx, &ids).await?.pop() {
        flush::what_was_read(tx).await?;
        // This very wish, when the answer to its commit was lost.
        let this = noted.request_id == wish.request_id && noted.requested_at == wish.at;
        return Ok(if this { Asked::Now(message) } else { Asked::Before });
    }
    let order = order::store::find_all(tx, &ids).await?.pop();
    match order.map_or(Status::Accepted, |order| order.status).apply(Move::Cancel) {
        Err(illegal) => Ok(Asked::Illegal(illegal)),
        Ok(Applied::Before) => {
            flush::what_was_read(tx).await?;
            Ok(Asked::Before)
        }
        Ok(Applied::Now(_)) => {
            store::insert(tx, wish).await?;
            outbox::store::insert(tx, publisher, std::slice::from_ref(&message)).await?;
            crate::crash_point!("ask.before_commit");
            Ok(Asked::Now(message))
        }
    }
}

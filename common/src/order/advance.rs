//! An admin moves an order along: packed, shipped, delivered.

use chrono::{DateTime, Utc};

use super::store::{self, Change};
use super::{Applied, IllegalMove, Move, Status};
use crate::db::batch::Locks;
use crate::db::{Result, Tx, flush};
use crate::id::OrderId;
use crate::{cancellation, checkout};

/// What became of an admin's move.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Advanced {
    /// The order stands there: since now, or since before.
    There(Applied),
    /// It cannot be moved there from where it stands.
    Illegal(IllegalMove),
    /// Somebody asked to cancel it, and that is decided first.
    CancellationPending,
    /// There is no such order.
    Unknown,
}

/// Makes the move and its entry of the history. Lock order: the order's row, and nothing after it.
pub async fn advance(
    tx: &mut Tx<'_>,
    id: OrderId,
    step: Move,
    actor: &str,
    at: DateTime<Utc>,
) -> Result<Advanced> {
    let Some(order) = store::lock(tx, &[id], Locks::Wait).await?.pop() else {
        let accepted = checkout::store::exists(tx, id).await?;
        let (from, to) = (Status::Accepted, step.table().1);
        return Ok(if accepted {
            Advanced::Illegal(IllegalMove { from, to })
        } else {
            Advanced::Unknown
        });
    };
    let status = match order.status.apply(step) {
        Err(illegal) => return Ok(Advanced::Illegal(illegal)),
        Ok(Applied::Before) => {
            flush::what_was_read(tx).await?;
            return Ok(Advanced::There(Applied::Before));
        }
        Ok(Applied::Now(status)) => status,
    };
    let wishes = cancellation::store::read(tx, &[id]).await?;
    if wishes.iter().any(|wish| wish.outcome.is_none()) {
        return Ok(Advanced::CancellationPending);
    }
    let change = Change {
        id,
        status,
        version: order.version + 1,
        reason: None,
        event: status.as_str(),
        actor,
        note: None,
        at,
    };
    store::save(tx, &[change]).await?;
    crate::crash_point!("move.before_commit");
    Ok(Advanced::There(Applied::Now(status)))
}

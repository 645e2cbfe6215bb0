//! The two ways in which a letter ends.

use super::{LetterState, store};
use crate::db::{Result, Tx};
use crate::id::{DeadLetterId, OwnerId};
use crate::outbox::{self, OutboxRow};

/// Why a letter is not closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such letter.
    #[error("there is no such dead letter")]
    Missing,
    /// Somebody closed it before.
    #[error("the dead letter is already {}", .0.as_str())]
    AlreadyClosed(LetterState),
    /// It cannot be sent again because nobody knows what it asks for; it can be discarded.
    #[error("the message cannot be understood, so it cannot be sent again")]
    NotUnderstood,
    /// A discard needs a reason.
    #[error("a reason is needed")]
    NoReason,
}

/// Writes the letter's message to the outbox again, under the same id, and closes the letter as redriven.
/// An outbox row that is still there is on its way already. After the commit the returned row may be
/// hinted to the relay. Locks the letter's row.
pub async fn redrive(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    id: DeadLetterId,
    by: &str,
) -> Result<std::result::Result<OutboxRow, Refusal>> {
    let Some(letter) = store::lock(tx, id).await? else { return Ok(Err(Refusal::Missing)) };
    if letter.state != LetterState::Open {
        return Ok(Err(Refusal::AlreadyClosed(letter.state)));
    }
    let Some(row) = letter.message() else { return Ok(Err(Refusal::NotUnderstood)) };
    outbox::store::insert_unless_there(tx, owner, &row).await?;
    store::close(tx, id, LetterState::Redriven, by, None).await?;
    crate::crash_point!("redrive.before_commit");
    Ok(Ok(row))
}

/// Closes the letter without sending it again. Locks the letter's row.
pub async fn discard(
    tx: &mut Tx<'_>,
    id: DeadLetterId,
    by: &str,
    reason: &str,
) -> Result<std::result::Result<(), Refusal>> {
    if reason.trim().is_empty() {
        return Ok(Err(Refusal::NoReason));
    }
    let Some(letter) = store::lock(tx, id).await? else { return Ok(Err(Refusal::Missing)) };
    if letter.state != LetterState::Open {
        return Ok(Err(Refusal::AlreadyClosed(letter.state)));
    }
    store::close(tx, id, LetterState::Discarded, by, Some(reason)).await?;
    Ok(Ok(()))
}

//! The two ways in which a letter ends.

use chrono::{DateTime, Utc};

use super::{DeadLetter, LetterState, store};
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
    /// A discard needs a reason that fits.
    #[error("a reason is needed, of at most 200 characters")]
    BadReason,
}

/// Who closes a letter, and when: the same closer closes it again when the answer to the first COMMIT was
/// lost, and is told the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closer {
    /// A user's id, or the name of a tool.
    pub by: String,
    /// Now, asked once for all tries.
    pub at: DateTime<Utc>,
}

impl Closer {
    fn has_closed(&self, letter: &DeadLetter, state: LetterState) -> bool {
        letter.state == state
            && letter
                .closed
                .as_ref()
                .is_some_and(|closed| closed.at == self.at && closed.by == store::who(&self.by))
    }
}

/// Writes the letter's message to the outbox again, under the same id, and closes the letter as redriven.
/// An outbox row that is still there is on its way already. After the commit the returned row may be
/// hinted to the relay. Locks the letter's row.
pub async fn redrive(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    id: DeadLetterId,
    closer: &Closer,
) -> Result<std::result::Result<OutboxRow, Refusal>> {
    let Some(letter) = store::lock(tx, id).await? else { return Ok(Err(Refusal::Missing)) };
    let is_repeated = closer.has_closed(&letter, LetterState::Redriven);
    if letter.state != LetterState::Open && !is_repeated {
        return Ok(Err(Refusal::AlreadyClosed(letter.state)));
    }
    let Some(row) = letter.message() else { return Ok(Err(Refusal::NotUnderstood)) };
    if is_repeated {
        return Ok(Ok(row));
    }
    outbox::store::insert_unless_there(tx, owner, &row).await?;
    store::close(tx, id, LetterState::Redriven, closer, None).await?;
    crate::crash_point!("redrive.before_commit");
    Ok(Ok(row))
}

/// Closes the letter without sending it again. Locks the letter's row.
pub async fn discard(
    tx: &mut Tx<'_>,
    id: DeadLetterId,
    closer: &Closer,
    reason: &str,
) -> Result<std::result::Result<(), Refusal>> {
    if reason.trim().is_empty() || reason.chars().count() > store::CLOSED_REASON {
        return Ok(Err(Refusal::BadReason));
    }
    let Some(letter) = store::lock(tx, id).await? else { return Ok(Err(Refusal::Missing)) };
    if closer.has_closed(&letter, LetterState::Discarded) {
        return Ok(Ok(()));
    }
    if letter.state != LetterState::Open {
        return Ok(Err(Refusal::AlreadyClosed(letter.state)));
    }
    store::close(tx, id, LetterState::Discarded, closer, Some(reason)).await?;
    Ok(Ok(()))
}

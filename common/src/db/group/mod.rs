//! Group commit: many callers in one transaction.
//!
//! A lane takes whatever arrived while its previous transaction was committing and commits it together:
//! no timer, and no delay when idle. Each member has a slot of its own for its answer.
//!
//! ```text
//! submit -> intake (bounded) -> lane: begin, Unit::write, commit -> slots -> answers
//!                               lane: ...          (each with a connection of its own)
//! ```
//!
//! - A slot that the unit left empty answers an error; a panic answers errors and keeps the lane.
//! - A member whose weight shows only once its rows are read can be deferred: the lane runs it next.
//! - A unit that takes longer than 10 s loses its connection, whole; it counts as unknown if COMMIT was sent.
//! - What went wrong decides what follows: see [`Trouble`](super::Trouble) and the lane.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::MySqlConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::batch::Locks;
use super::{Db, Error, Result, Tx};
use intake::{Intake, Ticket};

mod intake;
mod lane;
#[cfg(test)]
mod tests;

/// What one transaction does for the members of a batch.
pub trait Unit: Send + Sync + 'static {
    /// What a caller asks for.
    type Member: Send + Sync + 'static;
    /// What a caller is told.
    type Answer: Send + 'static;
    /// The unit's name in the log.
    const NAME: &'static str;
    /// Whether a batch may run again when its COMMIT may have happened. True for units that answer from
    /// what they read; false for relative writes, whose callers are told that the outcome is unknown.
    const RERUN_UNKNOWN: bool = true;
    /// Whether a taken unique key asks for another run (somebody else was first) and not for a split.
    const RERUN_DUPLICATE: bool = false;

    /// How much room the member takes in a batch.
    fn weight(&self, member: &Self::Member) -> Weight;

    /// Does the work of all members in the open transaction and fills their slots. With
    /// [`Locks::Skip`] rows held by others were waited for in vain: members that need one are put off.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Self::Member],
        locks: Locks,
        slots: &mut Slots<Self::Answer>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Called outside any transaction when the member failed for good in a batch of its own. What it
    /// answers is the member's answer; `None` answers [`Refused::Failed`].
    fn failed_alone(
        &self,
        _conn: &mut MySqlConnection,
        _member: &Self::Member,
        _error: &Error,
    ) -> impl Future<Output = Result<Option<Self::Answer>>> + Send {
        async { Ok(None) }
    }
}

/// The room that a member takes in a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weight {
    /// Rows of the largest kind that it writes.
    pub lines: usize,
    /// Bytes of parameters that it sends.
    pub bytes: usize,
}

/// One place for an answer a member, in the members' order.
#[derive(Debug)]
pub struct Slots<A>(Vec<Slot<A>>);

#[derive(Debug)]
enum Slot<A> {
    Empty,
    Filled(A),
    Deferred,
}

impl<A> Slots<A> {
    pub(crate) fn empty(members: usize) -> Self {
        Self((0..members).map(|_| Slot::Empty).collect())
    }

    /// Answers the member at this place of the batch; a second answer replaces the first.
    pub fn fill(&mut self, place: usize, answer: A) {
        self.0[place] = Slot::Filled(answer);
    }

    /// Leaves the member for the lane's next transaction, because this one is large enough. The unit
    /// must have written nothing for it, and must not defer the first member of a batch.
    pub fn defer(&mut self, place: usize) {
        assert!(place > 0, "a batch whose first member is deferred would never end");
        self.0[place] = Slot::Deferred;
    }
}

/// Why a member got no answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The intake is full; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// It waited past its deadline; nothing was done.
    #[error("the request waited too long")]
    Expired,
    /// The database could not be used within the batch's patience; nothing is known to have been done.
    #[error("the database is not available")]
    Unavailable,
    /// The commit may or may not have happened.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// The unit left the member's slot empty: a row that it needs is held by somebody else.
    #[error("the rows are in use")]
    Unanswered,
    /// It fails each time; the log says why.
    #[error("the operation failed")]
    Failed,
    /// The lanes have ended.
    #[error("shutting down")]
    Closed,
}

/// How batches are formed and how long their trouble is put up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Transactions side by side.
    pub lanes: usize,
    /// Members a batch.
    pub members: usize,
    /// Lines a batch.
    pub lines: usize,
    /// Bytes a batch.
    pub bytes: usize,
    /// Members that may wait.
    pub queue: usize,
    /// How long a batch is tried again before its members are refused.
    pub patience: Duration,
    /// How long one transaction may take before its connection is dropped.
    pub unit: Duration,
}

impl Limits {
    /// The usual limits: 4,000 lines or 2 MiB a batch, 10,000 waiting, 10 s a transaction.
    pub fn new(lanes: usize, members: usize, patience: Duration) -> Self {
        Self {
            lanes,
            members,
            lines: 4_000,
            bytes: 2 << 20,
            queue: 10_000,
            patience,
            unit: Duration::from_secs(10),
        }
    }
}

/// The way in to a unit's lanes. Cheap to clone; the lanes end when the last one is dropped and what
/// was waiting is done.
#[derive(Debug)]
pub struct GroupCommit<U: Unit> {
    intake: mpsc::Sender<Ticket<U>>,
}

impl<U: Unit> Clone for GroupCommit<U> {
    fn clone(&self) -> Self {
        Self { intake: self.intake.clone() }
    }
}

impl<U: Unit> GroupCommit<U> {
    /// Starts the lanes as tasks of the tracker. They connect when the first member comes.
    pub fn start(db: &Db, unit: U, limits: Limits, tasks: &TaskTracker) -> Self {
        let (intake, waiting) = mpsc::channel(limits.queue);
        let waiting = Arc::new(Mutex::new(Intake::new(waiting)));
        let unit = Arc::new(unit);
        for _ in 0..limits.lanes.max(1) {
            let lane = lane::Lane::new(db.clone(), Arc::clone(&unit), limits);
            tasks.spawn(lane.run(Arc::clone(&waiting)));
        }
        Self { intake }
    }

    /// Hands the member to the lanes and waits for its answer. It is refused when the intake is full or
    /// when no batch takes it within `deadline`; once in a batch it is done whether or not the caller waits.
    pub async fn submit(
        &self,
        member: U::Member,
        deadline: Duration,
    ) -> std::result::Result<U::Answer, Refused> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket { member, expires: Instant::now() + deadline, reply };
        self.intake.try_send(ticket).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Refused::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answer.await.unwrap_or(Err(Refused::Closed))
    }
}

//! One lane: a connection of its own, one transaction after another.
//!
//! | trouble | what the lane does |
//! |---|---|
//! | deadlock, lost connection, full disk, unknown commit | runs the whole batch again until its patience ends |
//! | a run past its limit or the server's, three lost connections | halves the batch as well: it may be too large |
//! | lock wait (1205), a statement past the server's limit | runs it once more, skipping rows that others hold |
//! | lock wait even so | halves the batch down to the member that cannot do without the row, which is refused |
//! | anything else | halves the batch down to the member that fails, and only that one fails |

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::intake::{Intake, Ticket};
use super::{Limits, Refused, Slot, Slots, Unit};
use crate::db::batch::Locks;
use crate::db::{Db, Error, Result, Trouble, commit};
use crate::log::chain;
use crate::panic::caught;
use crate::retry::Backoff;

/// Under the session's `wait_timeout`, so that a lane does not meet a connection that the server closed.
const IDLE: Duration = Duration::from_secs(10);

/// Connections that are lost in the middle of a batch before it counts as too large.
const LOST: u32 = 3;

pub(super) struct Lane<U: Unit> {
    db: Db,
    unit: Arc<U>,
    limits: Limits,
    idle: Option<(MySqlConnection, Instant)>,
}

impl<U: Unit> Lane<U> {
    pub(super) fn new(db: Db, unit: Arc<U>, limits: Limits) -> Self {
        Self { db, unit, limits, idle: None }
    }

    pub(super) async fn run(mut self, waiting: Arc<Mutex<Intake<U>>>) {
        while caught(U::NAME, self.serve(&waiting)).await.is_none() {}
    }

    /// Ends when nobody can submit any more.
    async fn serve(&mut self, waiting: &Mutex<Intake<U>>) {
        loop {
            let Some(batch) = self.next_batch(waiting).await else { return };
            let now = Instant::now();
            let (batch, late): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|ticket| ticket.expires > now);
            for ticket in late {
                ticket.answer(Err(Refused::Expired));
            }
            self.commit_all(batch).await;
        }
    }

    /// Waits for it, and lets the connection go that has nothing to do meanwhile: what it has room for is as large as
    /// the largest batch was.
    async fn next_batch(&mut self, waiting: &Mutex<Intake<U>>) -> Option<Vec<Ticket<U>>> {
        let Self { unit, limits, idle, .. } = self;
        let mut next = pin!(async { waiting.lock().await.next_batch(unit, limits).await });
        let resting = async {
            if let Some((_, since)) = idle {
                tokio::time::sleep_until(*since + IDLE).await;
            }
            if let Some((conn, _)) = idle.take() {
                // Whether or not the server hears the goodbye, the connection is gone.
                let _ = conn.close().await;
            }
        };
        tokio::select! {
            batch = &mut next => return batch,
            () = resting => {}
        }
        next.await
    }

    async fn commit_all(&mut self, batch: Vec<Ticket<U>>) {
        let mut give_up = Instant::now() + self.limits.patience;
        let mut parts = vec![Part { tickets: batch, is_unknown: false, locks: Locks::Wait }];
        while let Some(mut part) = parts.pop() {
            if part.tickets.is_empty() {
                continue;
            }
            if Instant::now() >= give_up {
                part.refuse();
                continue;
            }
            let outcome = self.commit(&mut part, give_up).await;
            let is_unknown = part.is_unknown;
            let or_unknown = |refused: Refused| refused.or_unknown(is_unknown);
            match outcome {
                Ok(slots) => {
                    give_up = Instant::now() + self.limits.patience;
                    let mut deferred = Vec::new();
                    for (ticket, slot) in part.tickets.into_iter().zip(slots.0) {
                        match slot {
                            Slot::Filled(answer) => ticket.answer(Ok(answer)),
                            Slot::Empty => ticket.answer(Err(or_unknown(Refused::Unanswered))),
                            Slot::Deferred => deferred.push(ticket),
                        }
                    }
                    parts.push(Part { tickets: deferred, is_unknown, locks: Locks::Wait });
                }
                Err(Outcome::GaveUp) => part.refuse(),
                Err(Outcome::Permanent(error)) if part.tickets.len() == 1 => {
                    for ticket in part.tickets {
                        let answer = self.fail_alone(&ticket.member, &error).await;
                        ticket.answer(answer.map_err(or_unknown));
                    }
                }
                Err(Outcome::Permanent(_) | Outcome::TooLarge) => parts.extend(part.halves()),
            }
        }
    }

    /// Runs the part until it is committed, fails for good, seems too large, or the patience ends.
    async fn commit(
        &mut self,
        part: &mut Part<U>,
        give_up: Instant,
    ) -> std::result::Result<Slots<U::Answer>, Outcome> {
        let mut waits = Backoff::reconnect();
        let mut lost = 0;
        let mut is_late = false;
        loop {
            let error = match self.connection().await {
                Ok(conn) => match self.attempt(conn, &part.tickets, part.locks).await {
                    Ok(slots) => return Ok(slots),
                    Err(error) => {
                        lost += u32::from(error.connection_is_lost());
                        is_late |= error.is_late();
                        error
                    }
                },
                Err(error) => error,
            };
            part.is_unknown |= error.commit_is_unknown();
            if part.is_unknown && !U::RERUN_UNKNOWN {
                tracing::warn!(unit = U::NAME, error = %chain(&error), "the outcome of a batch is unknown");
                return Err(Outcome::GaveUp);
            }
            match error.trouble() {
                Trouble::Permanent => return Err(Outcome::Permanent(error)),
                Trouble::Duplicate if !U::RERUN_DUPLICATE => return Err(Outcome::Permanent(error)),
                Trouble::LockWait if part.locks == Locks::Wait => {
                    part.locks = Locks::Skip;
                    continue;
                }
                // Somebody holds a row that cannot be left out: whoever needs it is found, and handed back.
                Trouble::LockWait if part.tickets.len() > 1 => return Err(Outcome::TooLarge),
                Trouble::LockWait if !error.is_late() => return Err(Outcome::GaveUp),
                Trouble::LockWait | Trouble::Duplicate | Trouble::Rerun => {}
            }
            if Instant::now() >= give_up {
                tracing::warn!(unit = U::NAME, members = part.tickets.len(), error = %chain(&error), "gave up on a batch");
                return Err(Outcome::GaveUp);
            }
            if part.tickets.len() > 1 && (lost >= LOST || is_late) {
                return Err(Outcome::TooLarge);
            }
            tracing::debug!(unit = U::NAME, error = %chain(&error), "running a batch again");
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    /// One transaction. The connection is kept only when it is known to be in step.
    async fn attempt(
        &mut self,
        mut conn: MySqlConnection,
        tickets: &[Ticket<U>],
        locks: Locks,
    ) -> Result<Slots<U::Answer>> {
        let members: Vec<&U::Member> = tickets.iter().map(|ticket| &ticket.member).collect();
        let committing = AtomicBool::new(false);
        let in_step = AtomicBool::new(true);
        let working = async {
            let mut slots = Slots::empty(members.len());
            let mut tx =
                conn.begin().await.inspect_err(|_| in_step.store(false, Ordering::Relaxed))?;
            if let Err(error) = self.unit.write(&mut tx, &members, locks, &mut slots).await {
                in_step.store(tx.rollback().await.is_ok(), Ordering::Relaxed);
                return Err(error);
            }
            crate::crash_point!(U::NAME, "before_commit");
            committing.store(true, Ordering::Relaxed);
            commit(tx).await.inspect_err(|_| in_step.store(false, Ordering::Relaxed))?;
            crate::crash_point!(U::NAME, "after_commit");
            Ok(slots)
        };
        let started = Instant::now();
        let outcome = timeout(self.limits.unit, AssertUnwindSafe(working).catch_unwind()).await;
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => return Err(Error::Panicked),
            Err(_late) if committing.into_inner() => {
                return Err(Error::CommitUnknown(Box::new(Error::TimedOut)));
            }
            Err(_late) => return Err(Error::TimedOut),
        };
        if in_step.into_inner() {
            self.idle = Some((conn, Instant::now()));
        }
        if outcome.is_ok() {
            let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(
                unit = U::NAME,
                members = members.len(),
                duration_ms = took,
                "committed a batch"
            );
        }
        outcome
    }

    async fn connection(&mut self) -> Result<MySqlConnection> {
        match self.idle.take() {
            Some((conn, since)) if since.elapsed() < IDLE => Ok(conn),
            _ => self.db.connect_lane().await,
        }
    }

    async fn fail_alone(
        &mut self,
        member: &U::Member,
        error: &Error,
    ) -> std::result::Result<U::Answer, Refused> {
        tracing::error!(unit = U::NAME, error = %chain(error), "a member fails for good");
        let mut conn = self.connection().await.map_err(|_| Refused::Unavailable)?;
        let noting = self.unit.failed_alone(&mut conn, member, error);
        match timeout(self.limits.unit, noting).await {
            Ok(Ok(answer)) => {
                self.idle = Some((conn, Instant::now()));
                answer.ok_or(Refused::Failed)
            }
            Ok(Err(error)) => {
                tracing::error!(unit = U::NAME, error = %chain(&error), "could not note the failure");
                Err(Refused::Unavailable)
            }
            Err(_late) => Err(Refused::Unavailable),
        }
    }
}

/// Members of one batch that are run together.
struct Part<U: Unit> {
    tickets: Vec<Ticket<U>>,
    /// Whether they may have been committed by a run whose COMMIT was not answered.
    is_unknown: bool,
    /// Whether rows that others hold are waited for or left out.
    locks: Locks,
}

impl<U: Unit> Part<U> {
    /// Two smaller ones, the first members last, so that they are taken next.
    fn halves(mut self) -> [Self; 2] {
        let tickets = self.tickets.split_off(self.tickets.len() / 2);
        [Self { tickets, ..self }, self]
    }

    fn refuse(self) {
        let refused = Refused::Unavailable.or_unknown(self.is_unknown);
        for ticket in self.tickets {
            ticket.answer(Err(refused));
        }
    }
}

impl Refused {
    /// Who may have been committed is told so, whatever a later run met.
    fn or_unknown(self, is_unknown: bool) -> Self {
        if is_unknown { Self::OutcomeUnknown } else { self }
    }
}

enum Outcome {
    Permanent(Error),
    TooLarge,
    GaveUp,
}

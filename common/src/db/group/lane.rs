//! One lane: a connection of its own, one transaction after another.
//!
//! | trouble | what the lane does |
//! |---|---|
//! | deadlock, lost connection, unknown commit | runs the whole batch again until its patience ends |
//! | lock wait (1205) | runs it once more, skipping rows that others hold |
//! | anything else | halves the batch down to the member that fails, and only that one fails |

use std::panic::AssertUnwindSafe;
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
use crate::db::{Db, Error, Result, Trouble};
use crate::log::chain;
use crate::retry::Backoff;

/// Under the session's `wait_timeout`, so that a lane does not meet a connection that the server closed.
const IDLE: Duration = Duration::from_secs(10);

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
        loop {
            let batch = waiting.lock().await.next_batch(&self.unit, &self.limits).await;
            let Some(batch) = batch else { return };
            let now = Instant::now();
            let (batch, late): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|ticket| ticket.expires > now);
            for ticket in late {
                ticket.answer(Err(Refused::Expired));
            }
            self.commit_all(batch).await;
        }
    }

    async fn commit_all(&mut self, batch: Vec<Ticket<U>>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.commit(&part).await {
                Ok(slots) => {
                    let mut deferred = Vec::new();
                    for (ticket, slot) in part.into_iter().zip(slots.0) {
                        match slot {
                            Slot::Filled(answer) => ticket.answer(Ok(answer)),
                            Slot::Empty => ticket.answer(Err(Refused::Unanswered)),
                            Slot::Deferred => deferred.push(ticket),
                        }
                    }
                    parts.push(deferred);
                }
                Err(Outcome::Refused(refused)) => {
                    for ticket in part {
                        ticket.answer(Err(refused));
                    }
                }
                Err(Outcome::Permanent(error)) if part.len() == 1 => {
                    for ticket in part {
                        let answer = self.fail_alone(&ticket.member, &error).await;
                        ticket.answer(answer);
                    }
                }
                Err(Outcome::Permanent(_)) => {
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
            }
        }
    }

    /// Runs the batch until it is committed, fails for good, or its patience ends.
    async fn commit(
        &mut self,
        part: &[Ticket<U>],
    ) -> std::result::Result<Slots<U::Answer>, Outcome> {
        let give_up = Instant::now() + self.limits.patience;
        let mut waits = Backoff::reconnect();
        let mut locks = Locks::Wait;
        loop {
            let error = match self.attempt(part, locks).await {
                Ok(slots) => return Ok(slots),
                Err(error) => error,
            };
            if error.commit_is_unknown() && !U::RERUN_UNKNOWN {
                tracing::warn!(unit = U::NAME, error = %chain(&error), "the outcome of a batch is unknown");
                return Err(Outcome::Refused(Refused::OutcomeUnknown));
            }
            match error.trouble() {
                Trouble::Permanent => return Err(Outcome::Permanent(error)),
                Trouble::Duplicate if !U::RERUN_DUPLICATE => return Err(Outcome::Permanent(error)),
                Trouble::LockWait if locks == Locks::Wait => {
                    locks = Locks::Skip;
                    continue;
                }
                Trouble::LockWait | Trouble::Duplicate | Trouble::Rerun => {}
            }
            if Instant::now() >= give_up {
                tracing::warn!(unit = U::NAME, members = part.len(), error = %chain(&error), "gave up on a batch");
                return Err(Outcome::Refused(Refused::Unavailable));
            }
            tracing::debug!(unit = U::NAME, error = %chain(&error), "running a batch again");
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    /// One transaction. The connection is kept only when it is known to be in step.
    async fn attempt(&mut self, part: &[Ticket<U>], locks: Locks) -> Result<Slots<U::Answer>> {
        let mut conn = self.connection().await?;
        let members: Vec<&U::Member> = part.iter().map(|ticket| &ticket.member).collect();
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
            tx.commit().await.map_err(|error| {
                in_step.store(false, Ordering::Relaxed);
                Error::CommitUnknown(Box::new(error.into()))
            })?;
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

enum Outcome {
    Permanent(Error),
    Refused(Refused),
}

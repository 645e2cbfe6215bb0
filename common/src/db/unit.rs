//! A small unit of work, for what is not batched: an admin's edit, a registration, a cancellation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::{Connection as _, MySqlConnection};
use tracing::Instrument as _;

use super::{Db, Error, Result, Trouble, Tx, commit, within};
use crate::log::chain;
use crate::retry::Backoff;

const TRIES: u32 = 5;
/// As for a batch: what takes longer loses its connection.
const LIMIT: Duration = Duration::from_secs(10);

/// Begins the work, which goes on whether or not the caller waits for its answer.
fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    #[expect(clippy::disallowed_methods, reason = "a database future is never cancelled")]
    let working = tokio::spawn(work.in_current_span());
    async { working.await.map_err(|_| Error::Panicked)? }
}

impl Db {
    /// Runs the unit in a transaction and commits it; deadlocks, lock waits and lost connections run the
    /// whole unit again, up to five times of ten seconds each. The unit must answer from what it reads, because a commit
    /// whose answer was lost is run again too.
    ///
    /// The work goes on when the caller stops waiting (a client that hung up): a statement that is
    /// dropped halfway would leave its connection out of step.
    pub async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut Tx<'_>) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        let db = self.clone();
        to_its_end(async move { db.write_with_retries(&unit).await }).await
    }

    async fn write_with_retries<T, F>(&self, unit: &F) -> Result<T>
    where
        F: for<'a> Fn(&'a mut Tx<'_>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let mut waits = Backoff::reconnect();
        let (mut left, mut is_unknown) = (TRIES, false);
        loop {
            let error = match self.write_once(unit).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            left -= 1;
            is_unknown |= error.commit_is_unknown();
            match error.trouble() {
                Trouble::Rerun | Trouble::LockWait if left > 0 => {}
                Trouble::Rerun | Trouble::LockWait if is_unknown && !error.commit_is_unknown() => {
                    return Err(Error::CommitUnknown(Box::new(error)));
                }
                _ => return Err(error),
            }
            tracing::debug!(error = %chain(&error), "running a unit of work again");
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    async fn write_once<T, F>(&self, unit: &F) -> Result<T>
    where
        F: for<'a> Fn(&'a mut Tx<'_>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let mut conn = self.lend().await?;
        let (committing, is_in_step) = (AtomicBool::new(false), AtomicBool::new(true));
        let out_of_step = || is_in_step.store(false, Ordering::Relaxed);
        let working = async {
            let mut tx = conn.begin().await.inspect_err(|_| out_of_step())?;
            match unit(&mut tx).await {
                Ok(answer) => {
                    committing.store(true, Ordering::Relaxed);
                    crate::crash_point!("unit.before_commit");
                    commit(tx).await.inspect_err(|_| out_of_step())?;
                    crate::crash_point!("unit.after_commit");
                    Ok(answer)
                }
                Err(error) => {
                    let _ = tx.rollback().await.inspect_err(|_| out_of_step());
                    Err(error)
                }
            }
        };
        let mut outcome = within(LIMIT, working).await;
        if matches!(outcome, Err(Error::TimedOut)) {
            out_of_step();
            if committing.load(Ordering::Relaxed) {
                outcome = Err(Error::CommitUnknown(Box::new(Error::TimedOut)));
            }
        }
        if !is_in_step.load(Ordering::Relaxed) {
            conn.out_of_step();
        }
        outcome
    }

    /// Runs the reading on a connection of the pool, within ten seconds; a connection that turns out to be
    /// lost is replaced once. Like [`Db::write`] it goes on when the caller stops waiting.
    pub async fn read<T, F>(&self, reading: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a mut MySqlConnection) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        let db = self.clone();
        let working = async move {
            match db.read_once(&reading).await {
                Err(error) if error.connection_is_lost() && !error.is_late() => {
                    db.read_once(&reading).await
                }
                settled => settled,
            }
        };
        to_its_end(working).await
    }

    async fn read_once<T, F>(&self, reading: &F) -> Result<T>
    where
        F: for<'a> Fn(&'a mut MySqlConnection) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let mut conn = self.lend().await?;
        let outcome = within(LIMIT, reading(&mut conn)).await;
        if matches!(&outcome, Err(error) if error.connection_is_lost()) {
            conn.out_of_step();
        }
        outcome
    }
}

//! A small unit of work, for what is not batched: an admin's edit, a registration, a cancellation.

use futures::future::BoxFuture;
use sqlx::Connection as _;

use super::{Db, Error, Result, Trouble, Tx};
use crate::retry::Backoff;

const TRIES: u32 = 5;

impl Db {
    /// Runs the unit in a transaction and commits it; deadlocks, lock waits and lost connections run the
    /// whole unit again, up to five times. The unit must answer from what it reads, because a commit
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
        let span = tracing::Span::current();
        #[expect(clippy::disallowed_methods, reason = "a database future is never cancelled")]
        let working = tokio::spawn(tracing::Instrument::instrument(
            async move { db.write_with_retries(&unit).await },
            span,
        ));
        working.await.map_err(|_| Error::Panicked)?
    }

    async fn write_with_retries<T, F>(&self, unit: &F) -> Result<T>
    where
        F: for<'a> Fn(&'a mut Tx<'_>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let mut waits = Backoff::reconnect();
        for _ in 1..TRIES {
            match self.write_once(unit).await {
                Err(error) if matches!(error.trouble(), Trouble::Rerun | Trouble::LockWait) => {
                    tracing::debug!(error = %error, "running a unit of work again");
                    tokio::time::sleep(waits.next_wait()).await;
                }
                settled => return settled,
            }
        }
        self.write_once(unit).await
    }

    async fn write_once<T, F>(&self, unit: &F) -> Result<T>
    where
        F: for<'a> Fn(&'a mut Tx<'_>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let mut conn = self.pool().acquire().await?;
        let mut tx = conn.begin().await?;
        match unit(&mut tx).await {
            Ok(answer) => {
                tx.commit().await.map_err(|error| Error::CommitUnknown(Box::new(error.into())))?;
                Ok(answer)
            }
            Err(error) => {
                if tx.rollback().await.is_err() {
                    conn.close_on_drop();
                }
                Err(error)
            }
        }
    }
}

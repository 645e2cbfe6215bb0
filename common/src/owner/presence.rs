//! The task that holds a process's lock for as long as it lives.

use std::time::Duration;

use sqlx::MySqlConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Role, store};
use crate::db::{Db, Result, within};
use crate::id::OwnerId;
use crate::log::chain;
use crate::panic::caught;
use crate::retry::Backoff;

/// Well within the idle time that the server grants the session.
const LOOK: Duration = Duration::from_secs(3);
/// A statement that takes longer has lost its database.
const LIMIT: Duration = Duration::from_secs(5);

/// A process that is known to be at work.
#[derive(Debug)]
pub struct Presence {
    db: Db,
    owner: OwnerId,
    role: Role,
}

impl Presence {
    /// Makes the owner known and keeps it so, as a task of the tracker, until `leave`. Returns once it is
    /// known, or when leaving comes first; a database that is away is waited for.
    pub async fn start(
        db: &Db,
        owner: OwnerId,
        role: Role,
        leave: CancellationToken,
        tasks: &TaskTracker,
    ) {
        let presence = Self { db: db.clone(), owner, role };
        if let Some(conn) = leave.run_until_cancelled(presence.enter()).await {
            tasks.spawn(presence.keep(conn, leave));
        }
    }

    /// What is dropped halfway is a connection that nobody uses again.
    async fn enter(&self) -> MySqlConnection {
        let mut waits = Backoff::reconnect();
        loop {
            match within(LIMIT, self.try_to_enter()).await {
                Ok(Some(conn)) => return conn,
                // A lost connection of ours whose end the server has not noticed yet.
                Ok(None) => tracing::debug!(owner = %self.owner, "the lock is still held"),
                Err(error) => {
                    tracing::warn!(owner = %self.owner, error = %chain(&error), "cannot say that this process is at work");
                }
            }
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    async fn try_to_enter(&self) -> Result<Option<MySqlConnection>> {
        let mut conn = self.db.connect_lane().await?;
        if !store::lock(&mut conn, self.owner).await? {
            return Ok(None);
        }
        store::register(&mut conn, self.owner, self.role).await?;
        Ok(Some(conn))
    }

    async fn keep(self, conn: MySqlConnection, leave: CancellationToken) {
        let keeping = async {
            let mut conn = Some(conn);
            loop {
                if caught("presence", self.hold(conn.take())).await.is_none() {
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        leave.run_until_cancelled(keeping).await;
    }

    /// Holds the lock, of a connection of its own where none is given, until it is not known to be held.
    async fn hold(&self, conn: Option<MySqlConnection>) {
        let mut conn = match conn {
            Some(conn) => conn,
            None => self.enter().await,
        };
        loop {
            tokio::time::sleep(LOOK).await;
            if !matches!(within(LIMIT, store::lock(&mut conn, self.owner)).await, Ok(true)) {
                return;
            }
        }
    }
}

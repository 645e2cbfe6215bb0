//! The relay's hand in the database: removes confirmed rows and claims those that nobody sends, on one
//! connection of its own. No statement is ever dropped halfway on a connection that is used again.

use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::RelayConfig;
use crate::broker::Link;
use crate::db::{Db, Result, commit, within};
use crate::id::MessageId;
use crate::log::chain;
use crate::outbox::{OutboxRow, store};
use crate::panic::caught;
use crate::retry::Backoff;

const WORK: Duration = Duration::from_secs(10);
/// Under the session's `wait_timeout`.
const IDLE: Duration = Duration::from_secs(10);

pub(super) struct Keeper {
    db: Db,
    config: RelayConfig,
    link: Link,
    idle: Option<(MySqlConnection, Instant)>,
    /// After shutdown: when to leave the rest to others.
    give_up: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(db: Db, config: RelayConfig, link: Link) -> Self {
        Self { db, config, link, idle: None, give_up: None }
    }

    /// Ends when the relay has dropped its end and what it confirmed is removed.
    pub(super) async fn run(
        mut self,
        mut removals: mpsc::Receiver<Vec<MessageId>>,
        claimed: mpsc::Sender<Vec<OutboxRow>>,
        shutdown: CancellationToken,
    ) {
        let mut waits = Backoff::reconnect();
        while caught("keeper of the outbox", self.serve(&mut removals, &claimed, &shutdown))
            .await
            .is_none()
        {
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    async fn serve(
        &mut self,
        removals: &mut mpsc::Receiver<Vec<MessageId>>,
        claimed: &mpsc::Sender<Vec<OutboxRow>>,
        shutdown: &CancellationToken,
    ) {
        let mut scan = interval(self.config.scan_every);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut more = false;
        loop {
            let may_claim = more && !shutdown.is_cancelled();
            tokio::select! {
                ids = removals.recv() => match ids {
                    Some(ids) => self.remove(ids, shutdown).await,
                    None => return,
                },
                // Room first, rows second: the relay may be waiting for a removal meanwhile.
                room = claimed.reserve(), if may_claim => match room {
                    Ok(room) => {
                        let rows = self.claim().await;
                        more = rows.len() == store::CLAIM as usize;
                        if !rows.is_empty() {
                            room.send(rows);
                        }
                    }
                    Err(_ended) => more = false,
                },
                _ = scan.tick() => more = self.link.is_open(),
                // A broker that dies again and again may be gone before the next scan.
                true = self.link.until_changed() => more = self.link.is_open(),
            }
        }
    }

    /// Tries until the rows are gone: publishing goes no faster than rows can be removed. After shutdown
    /// it is tried for the time of one drain; rows that stay are published again by whoever claims them.
    async fn remove(&mut self, ids: Vec<MessageId>, shutdown: &CancellationToken) {
        let mut waits = Backoff::reconnect();
        if self.give_up.is_some_and(|limit| Instant::now() >= limit) {
            return;
        }
        loop {
            match self.delete(&ids).await {
                Ok(removed) => {
                    tracing::debug!(removed, confirmed = ids.len(), "removed from the outbox");
                    return;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot remove confirmed messages from the outbox");
                }
            }
            if shutdown.is_cancelled() {
                let drain = self.config.drain;
                if Instant::now() >= *self.give_up.get_or_insert_with(|| Instant::now() + drain) {
                    return;
                }
            }
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    async fn claim(&mut self) -> Vec<OutboxRow> {
        match self.claim_expired().await {
            Ok(rows) => {
                if !rows.is_empty() {
                    crate::crash_point!("relay.after_claim");
                    tracing::info!(rows = rows.len(), "took expired messages over");
                }
                rows
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot look for expired messages");
                Vec::new()
            }
        }
    }

    async fn delete(&mut self, ids: &[MessageId]) -> Result<u64> {
        let mut conn = self.connection().await?;
        let removed = within(WORK, store::delete(&mut conn, ids)).await?;
        crate::crash_point!("relay.after_delete");
        self.idle = Some((conn, Instant::now()));
        Ok(removed)
    }

    async fn claim_expired(&mut self) -> Result<Vec<OutboxRow>> {
        let RelayConfig { owner, lease, .. } = self.config;
        let mut conn = self.connection().await?;
        let claiming = async {
            let mut tx = conn.begin().await?;
            let rows = store::claim_expired(&mut tx, owner, lease).await?;
            commit(tx).await?;
            Ok(rows)
        };
        let rows = within(WORK, claiming).await?;
        self.idle = Some((conn, Instant::now()));
        Ok(rows)
    }

    /// Taken out for the time of its use, so that it is kept only after a success.
    async fn connection(&mut self) -> Result<MySqlConnection> {
        match self.idle.take() {
            Some((conn, since)) if since.elapsed() < IDLE => Ok(conn),
            _ => self.db.connect_lane().await,
        }
    }
}

//! The relay: a task of every process that publishes outbox rows and removes those that the broker has
//! confirmed.
//!
//! ```text
//! hints (bounded, lossy) --+
//!                          +-> gather up to 512 -> publish -> confirmed ids -> keeper: delete
//! claims of expired rows --+         ^                                           |
//!        ^                           +-- not confirmed: soon again, then left ---+-- claim every 5 s, and
//!        +-----------------------------------------------------------------------+   when the link opens
//! ```
//!
//! The next batch is published while the rows of the one before are being removed. A row that is not
//! confirmed is tried again while its lease is surely ours; after that it belongs to whoever claims it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{LEASE, OutboxRow};
use crate::broker::{Envelope, Link, Outcome, Publisher, WINDOW};
use crate::db::Db;
use crate::id::{MessageId, OwnerId};
use crate::panic::caught;
use crate::retry::Backoff;
use keeper::Keeper;

mod keeper;

/// Hints that may wait; what is beyond waits until it is claimed.
const HINTS: usize = 32_768;
/// Unconfirmed rows that are remembered for another try.
const AGAIN: usize = 4 * WINDOW;
const RETRY: Duration = Duration::from_secs(1);

/// How a relay behaves; only tests need other values than the defaults.
#[derive(Debug, Clone, Copy)]
pub struct RelayConfig {
    /// The process, as the holder of leases; the same that its inserts use.
    pub owner: OwnerId,
    /// How long claimed rows are leased.
    pub lease: Duration,
    /// How often expired rows are looked for while the broker stays.
    pub scan_every: Duration,
    /// How long hinted rows may take to leave after shutdown.
    pub drain: Duration,
}

impl RelayConfig {
    /// Leases of 30 s, a scan every 5 s, 5 s to drain.
    pub fn new(owner: OwnerId) -> Self {
        let five = Duration::from_secs(5);
        Self { owner, lease: LEASE, scan_every: five, drain: five }
    }
}

/// The task; see [`Relay::start`].
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    publisher: Publisher,
    link: Link,
    hints: mpsc::Receiver<Hint>,
    claims: mpsc::Receiver<Vec<OutboxRow>>,
    confirmed: mpsc::Sender<Vec<MessageId>>,
    again: Vec<Hint>,
    retry_at: Instant,
    waits: Backoff,
}

/// Tells the relay of this process about rows that were just committed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    hints: mpsc::Sender<Hint>,
    overflowing: Arc<AtomicBool>,
    link: Link,
}

#[derive(Debug)]
struct Hint {
    row: OutboxRow,
    since: Instant,
}

impl Relay {
    /// Starts the relay as tasks of the tracker, with a database connection of its own. On shutdown it
    /// publishes what was hinted, within the configured time, and ends.
    pub fn start(
        db: &Db,
        publisher: Publisher,
        config: RelayConfig,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) -> RelayHandle {
        let (hints, hinted) = mpsc::channel(HINTS);
        let (claimed, claims) = mpsc::channel(1);
        let (confirmed, removals) = mpsc::channel(4);
        let link = publisher.link();
        let keeper = Keeper::new(db.clone(), config, link.clone());
        tasks.spawn(keeper.run(removals, claimed, shutdown.clone()));
        let relay = Self {
            config,
            publisher,
            link: link.clone(),
            hints: hinted,
            claims,
            confirmed,
            again: Vec::new(),
            retry_at: Instant::now(),
            waits: Backoff::reconnect(),
        };
        tasks.spawn(relay.run(shutdown));
        RelayHandle { hints, overflowing: Arc::default(), link }
    }

    async fn run(mut self, shutdown: CancellationToken) {
        while caught("relay", self.relay_until(&shutdown)).await.is_none() {
            tokio::time::sleep(self.waits.next_wait()).await;
        }
        if tokio::time::timeout(self.config.drain, self.flush()).await.is_err() {
            tracing::warn!("rows of the outbox were left for another process to publish");
        }
    }

    /// Rows that are in hand when it is dropped or panics stay, and are claimed again.
    async fn relay_until(&mut self, shutdown: &CancellationToken) {
        let drain = self.config.drain;
        loop {
            let gathered = tokio::select! {
                batch = self.gather() => batch,
                () = shutdown.cancelled() => return,
            };
            // What was gathered is finished, unless the broker blocks us beyond the end: then the rows
            // stay, and leave when their leases end.
            let some = tokio::select! {
                some = self.publish(gathered) => some,
                () = long_after(shutdown, drain) => return,
            };
            if !some {
                let wait = self.waits.next_wait();
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = shutdown.cancelled() => {}
                }
            }
        }
    }

    /// Waits for an open channel and then for rows: hinted, claimed, or due for another try. Nothing is
    /// lost when it is dropped while it waits.
    async fn gather(&mut self) -> Vec<Hint> {
        if !self.link.until_open().await {
            std::future::pending::<()>().await;
        }
        let mut batch = Vec::new();
        tokio::select! {
            _ = self.hints.recv_many(&mut batch, WINDOW), if !self.hints.is_closed() || !self.hints.is_empty() => {}
            Some(rows) = self.claims.recv() => batch.extend(rows.into_iter().map(Hint::now)),
            () = sleep_until(self.retry_at), if !self.again.is_empty() => {}
        }
        self.top_up(&mut batch);
        batch
    }

    /// Adds what is there without waiting.
    fn top_up(&mut self, batch: &mut Vec<Hint>) {
        if self.retry_at <= Instant::now() {
            batch.append(&mut self.again);
        }
        if let Ok(rows) = self.claims.try_recv() {
            batch.extend(rows.into_iter().map(Hint::now));
        }
        while batch.len() < WINDOW {
            let Ok(hint) = self.hints.try_recv() else { break };
            batch.push(hint);
        }
    }

    /// Publishes the batch and passes the confirmed ids on; `false` when rows went out and none of them
    /// was confirmed.
    async fn publish(&mut self, mut batch: Vec<Hint>) -> bool {
        let fresh = self.config.lease * 2 / 3;
        batch.retain(|hint| hint.since.elapsed() < fresh);
        if batch.is_empty() {
            return true;
        }
        let envelopes: Vec<Envelope> = batch.iter().map(|hint| hint.row.clone().into()).collect();
        crate::crash_point!("relay.before_publish");
        let outcomes = self.publisher.publish(envelopes).await;
        let mut counts = Counts::default();
        let mut confirmed = Vec::with_capacity(batch.len());
        let none_waits = self.again.is_empty();
        for (hint, outcome) in batch.into_iter().zip(outcomes) {
            counts.add(outcome);
            if outcome == Outcome::Confirmed {
                confirmed.push(hint.row.id);
            } else if self.again.len() < AGAIN {
                self.again.push(hint);
            }
        }
        // Whatever waits already is not put off by what comes after it.
        if none_waits && !self.again.is_empty() {
            self.retry_at = Instant::now() + RETRY;
        }
        counts.log();
        let some = !confirmed.is_empty();
        if some {
            crate::crash_point!("relay.after_confirm");
            self.waits.reset();
            // The keeper lives as long as this end.
            let _ = self.confirmed.send(confirmed).await;
        }
        some
    }

    /// Publishes what was hinted so far.
    async fn flush(&mut self) {
        loop {
            let mut batch = Vec::new();
            self.top_up(&mut batch);
            batch.append(&mut self.again);
            if batch.is_empty() || !self.link.until_open().await {
                return;
            }
            if !self.publish(batch).await {
                tokio::time::sleep(self.waits.next_wait()).await;
            }
        }
    }
}

impl RelayHandle {
    /// Tells the relay about committed rows. Never waits: when too many are waiting the rest is forgotten
    /// here and waits until it is claimed.
    pub fn hint(&self, rows: impl IntoIterator<Item = OutboxRow>) {
        let since = Instant::now();
        for row in rows {
            match self.hints.try_send(Hint { row, since }) {
                Ok(()) => self.overflowing.store(false, Ordering::Relaxed),
                Err(TrySendError::Full(_)) => {
                    if !self.overflowing.swap(true, Ordering::Relaxed) {
                        tracing::warn!("the relay is behind; messages wait until they are claimed");
                    }
                    return;
                }
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }

    /// How the relay's connection to the broker stands.
    pub fn link(&self) -> Link {
        self.link.clone()
    }
}

impl Hint {
    fn now(row: OutboxRow) -> Self {
        Self { row, since: Instant::now() }
    }
}

async fn long_after(shutdown: &CancellationToken, drain: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(drain).await;
}

#[derive(Default)]
struct Counts {
    confirmed: usize,
    returned: usize,
    nacked: usize,
    unknown: usize,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Confirmed => &mut self.confirmed,
            Outcome::Returned => &mut self.returned,
            Outcome::Nacked => &mut self.nacked,
            Outcome::Unknown => &mut self.unknown,
        } += 1;
    }

    fn log(&self) {
        let Self { confirmed, returned, nacked, unknown } = *self;
        if returned + nacked + unknown > 0 {
            tracing::warn!(confirmed, returned, nacked, unknown, "messages were not confirmed");
        } else {
            tracing::debug!(confirmed, "published");
        }
    }
}

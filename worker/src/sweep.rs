//! The sweep: whatever is unfinished and due gets a new wake-up. It takes no input; what it finds is in the
//! rows. One process sweeps at a time, and at most 2,000 rows a second, so that a backlog is no storm.
//!
//! A process that is cut off from the broker leaves the sweep to another: its wake-ups would only pile up in the
//! outbox, and everything unfinished would add a row with each of them for as long as the broker is away.
//!
//! What is leased to a process that is gone is due at once: see [`Heirs`].

use std::time::Duration;

use ordermill_common::broker::Kind;
use ordermill_common::crash_point;
use ordermill_common::db::{Db, Error, Result, Tx, commit, within};
use ordermill_common::id::{MessageId, OrderId, OwnerId};
use ordermill_common::log::chain;
use ordermill_common::outbox::{self, OutboxRow, RelayHandle};
use ordermill_common::panic::caught;
use ordermill_common::retry::Backoff;
use ordermill_common::trace::RequestId;
use ordermill_common::{cancellation, checkout, payment};
use sqlx::{Connection as _, MySqlConnection};
use tokio_util::sync::CancellationToken;

use crate::heirs::Heirs;

const EVERY: Duration = Duration::from_millis(500);
/// A tick that takes longer has lost its database.
const TICK: Duration = Duration::from_secs(10);
/// Rows a tick, shared by the three tables.
const AT_MOST: u32 = 1_000;
/// Rows a tick that are left to each table behind, however much is due in those before it.
const SHARE: u32 = 250;

/// The sweeper of this process.
#[derive(Debug)]
pub struct Sweeper {
    /// Where the rows are.
    pub db: Db,
    /// Who publishes first what the sweep writes.
    pub owner: OwnerId,
    /// The relay of this process.
    pub relay: RelayHandle,
}

impl Sweeper {
    /// Sweeps until shutdown; stands by while another process does, or the broker is away.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut waits = Backoff::reconnect();
        let mut link = self.relay.link();
        loop {
            if shutdown.run_until_cancelled(link.until_open()).await != Some(true) {
                return;
            }
            let swept = caught("sweep", self.sweep_until(&shutdown, &mut waits)).await;
            let pause = match swept.unwrap_or(Err(Error::Panicked)) {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the sweep was interrupted");
                    waits.next_wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Ends, and lets go of the lock with the connection, on shutdown or when the link to the broker is closed.
    async fn sweep_until(&self, shutdown: &CancellationToken, waits: &mut Backoff) -> Result<()> {
        let mut conn = self.db.connect_lane().await?;
        let link = self.relay.link();
        let mut heirs = Heirs::new(self.owner, link.clone());
        // Both are looked at between ticks, and interrupt none.
        while link.is_open() && !shutdown.is_cancelled() {
            // Past the limit the connection is dropped whole, and with it the lock: another process sweeps.
            let rows = within(TICK, self.tick(&mut conn, &mut heirs)).await?;
            waits.reset();
            if !rows.is_empty() {
                crash_point!("sweep.after_commit");
                tracing::info!(rows = rows.len(), "woke what was due");
                self.relay.hint(rows);
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    async fn tick(&self, conn: &mut MySqlConnection, heirs: &mut Heirs) -> Result<Vec<OutboxRow>> {
        if !is_mine(conn).await? {
            return Ok(Vec::new());
        }
        heirs.look(conn).await?;
        let mut tx = conn.begin().await?;
        match self.wake_due(&mut tx, heirs).await {
            Ok(rows) => {
                commit(tx).await?;
                Ok(rows)
            }
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// What is inherited comes first, then the tables in the lock order; rows that others hold are left. What a
    /// table does not use of its part goes to those behind it.
    async fn wake_due(&self, tx: &mut Tx<'_>, heirs: &Heirs) -> Result<Vec<OutboxRow>> {
        let inherited = heirs.inherit(tx, AT_MOST).await?;
        let cancels = cancellation::store::due(tx, AT_MOST - 2 * SHARE).await?;
        let left = less(AT_MOST, &cancels);
        let checkouts = checkout::store::due(tx, left - SHARE).await?;
        let left = less(left, &checkouts);
        let payments = payment::store::due(tx, left).await?;
        let mut rows: Vec<OutboxRow> = Vec::new();
        rows.extend(cancels.into_iter().map(|due| row(Kind::OrderCancelV1, due)));
        let orders = checkouts.into_iter().chain(payments);
        rows.extend(orders.map(|due| row(Kind::OrderCheckoutV1, due)));
        outbox::store::insert(tx, self.owner, &rows).await?;
        rows.extend(inherited);
        if !rows.is_empty() {
            crash_point!("sweep.before_commit");
        }
        Ok(rows)
    }
}

fn less<T>(left: u32, taken: &[T]) -> u32 {
    left.saturating_sub(u32::try_from(taken.len()).unwrap_or(left))
}

fn row(kind: Kind, (order_id, request_id): (OrderId, RequestId)) -> OutboxRow {
    OutboxRow { id: MessageId::mint(), kind, order_id, request_id }
}

/// Whether this connection holds, or now gets, the one lock of all sweepers of this database. The lock is
/// the session's: it is free as soon as the process or its connection is gone.
async fn is_mine(conn: &mut MySqlConnection) -> Result<bool> {
    let held: Option<i64> = sqlx::query_scalar(
        "select coalesce(is_used_lock(concat(left(database(), 50), '.sweep')) = connection_id(), 0) \
           or get_lock(concat(left(database(), 50), '.sweep'), 0)",
    )
    .fetch_one(conn)
    .await?;
    Ok(held == Some(1))
}

#[cfg(test)]
mod tests;

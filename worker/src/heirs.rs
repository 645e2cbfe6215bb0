//! What a process that is gone had in hand goes to others: its payments are due at once, its outbox rows
//! leave from here. Without this they would wait for the ends of their leases.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ordermill_common::broker::Link;
use ordermill_common::db::{Result, Tx};
use ordermill_common::id::OwnerId;
use ordermill_common::outbox::{self, OutboxRow};
use ordermill_common::{owner, payment};
use sqlx::MySqlConnection;

/// How long a gone owner is remembered: the server may still be committing what it sent last, but no
/// transaction of ours lives longer.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// Looks for owners that are gone. Part of the sweep, so that one process inherits at a time.
#[derive(Debug)]
pub struct Heirs {
    heir: OwnerId,
    link: Link,
    gone: HashMap<OwnerId, Instant>,
}

impl Heirs {
    /// `heir` gets the outbox rows, when its way to the broker is open.
    pub fn new(heir: OwnerId, link: Link) -> Self {
        Self { heir, link, gone: HashMap::new() }
    }

    /// Notes who is gone, and forgets those of whom nothing more can come.
    pub async fn look(&mut self, conn: &mut MySqlConnection) -> Result<()> {
        let now = Instant::now();
        let gone = owner::store::gone(conn).await?;
        // One that was only cut off is back.
        self.gone.retain(|owner, _| gone.contains(owner));
        for owner in gone {
            let since = *self.gone.entry(owner).or_insert_with(|| {
                tracing::info!(%owner, "a process is gone; what it had in hand goes to others");
                now
            });
            if now.duration_since(since) > LAST_WORDS && self.link.is_open() {
                owner::store::forget(conn, owner).await?;
                self.gone.remove(&owner);
            }
        }
        Ok(())
    }

    /// Ends at most `limit` leases of each kind and owner; answers the outbox rows that are now the
    /// heir's to publish, once the transaction is committed. Lock order: payments, then the outbox.
    pub async fn inherit(&self, tx: &mut Tx<'_>, limit: u32) -> Result<Vec<OutboxRow>> {
        let mut rows = Vec::new();
        for owner in self.gone.keys() {
            let payments = payment::store::end_leases(tx, *owner, limit).await?;
            if payments > 0 {
                tracing::info!(%owner, payments, "ended the leases of a process that is gone");
            }
            if self.link.is_open() {
                rows.extend(outbox::store::claim_from(tx, *owner, self.heir, limit).await?);
            }
        }
        Ok(rows)
    }
}

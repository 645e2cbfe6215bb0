//! What is seen in the database from outside, to know when something has recovered or ended. Reads only.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use ordermill_common::db::Db;
use ordermill_common::id::{OrderId, OwnerId};
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_millis(20);
/// Between two looks at many orders.
const LONGEST_LOOK: Duration = Duration::from_millis(300);

/// The orders that could be settled at once and are not: accepted or reserved, and to be paid with a token that the
/// gateway answers without delay.
macro_rules! prompt {
    ($select:literal) => {
        concat!(
            $select,
            " from ( \
               select order_id from checkouts where wake_at is not null \
               union \
               select order_id from payments where wake_at is not null and status = 'pending' \
             ) open \
             straight_join checkouts c on c.order_id = open.order_id \
             where c.payment_method = 'tok_approve' or c.payment_method like 'tok_decline%'"
        )
    };
}

/// What can be seen. Each look reads only what is under way: however many orders have ended, it costs the
/// installation next to nothing.
#[derive(Debug, Clone, Copy)]
pub enum Sight {}

impl Sight {
    /// Checkouts, payments and cancellations without an end, and rows in the outbox; an error while the
    /// database is away.
    async fn open(db: &Db) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "select cast( \
               (select count(*) from checkouts where wake_at is not null) \
               + (select count(*) from payments where wake_at is not null) \
               + (select count(*) from cancellations where wake_at is not null) \
               + (select count(*) from outbox) as signed)",
        )
        .fetch_one(db.pool())
        .await?)
    }

    /// Whether the server shows commits before they are flushed: not with the binary log on.
    pub async fn shows_unflushed(db: &Db) -> Result<bool> {
        let log: i64 =
            sqlx::query_scalar("select cast(@@log_bin as signed)").fetch_one(db.pool()).await?;
        Ok(log == 0)
    }

    /// The orders that could be settled at once and are not: accepted or reserved, and to be paid with a
    /// token that the gateway answers without delay.
    pub async fn prompt_orders(db: &Db) -> Result<Vec<OrderId>> {
        Ok(sqlx::query_scalar(prompt!("select c.order_id")).fetch_all(db.pool()).await?)
    }

    /// How many these are.
    pub async fn prompt_count(db: &Db) -> Result<i64> {
        let count = prompt!("select cast(count(*) as signed)");
        Ok(sqlx::query_scalar(count).fetch_one(db.pool()).await?)
    }

    /// Those of these orders that are not settled.
    async fn unsettled(db: &Db, orders: &[OrderId]) -> Result<Vec<OrderId>> {
        let ids = serde_json::to_string(&orders.iter().map(|id| id.hex()).collect::<Vec<_>>())?;
        Ok(sqlx::query_scalar(
            "select c.order_id \
             from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
             straight_join checkouts c on c.order_id = unhex(j.id) \
             left join payments p on p.order_id = c.order_id \
             where c.wake_at is not null or p.status = 'pending'",
        )
        .bind(&ids)
        .fetch_all(db.pool())
        .await?)
    }

    /// Orders that are accepted or reserved.
    pub async fn waiting(db: &Db) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "select cast( \
               (select count(*) from checkouts where wake_at is not null) \
               + (select count(*) from payments where wake_at is not null) as signed)",
        )
        .fetch_one(db.pool())
        .await?)
    }

    /// The orders that this worker has in hand, and nobody else for as long as its leases last.
    pub async fn held_by(db: &Db, owner: OwnerId) -> Result<Vec<OrderId>> {
        Ok(sqlx::query_scalar(
            "select order_id \
             from payments \
             where wake_at is not null and owner = ? and status = 'pending' \
               and method not like 'tok_timeout%' and method not like 'tok_fail%'",
        )
        .bind(owner)
        .fetch_all(db.pool())
        .await?)
    }

    /// The orders that are accepted or reserved, whatever the gateway does with them.
    pub async fn open_orders(db: &Db) -> Result<Vec<OrderId>> {
        Ok(sqlx::query_scalar(
            "select order_id from checkouts where wake_at is not null \
             union \
             select order_id from payments where wake_at is not null and status = 'pending'",
        )
        .fetch_all(db.pool())
        .await?)
    }

    /// The orders whose payments this worker may ask the gateway for, whatever the gateway does with them.
    pub async fn leased_by(db: &Db, owner: OwnerId) -> Result<Vec<OrderId>> {
        Ok(sqlx::query_scalar(
            "select order_id from payments where wake_at is not null and owner = ?",
        )
        .bind(owner)
        .fetch_all(db.pool())
        .await?)
    }

    /// Waits until all of these orders are settled, and answers how long that took from `since`.
    pub async fn until_settled(
        db: &Db,
        orders: &[OrderId],
        since: Instant,
        limit: Duration,
    ) -> Result<Duration> {
        let mut left = orders.to_vec();
        loop {
            let looked = Instant::now();
            // While the database is away nothing is known to be settled.
            let error = match Self::unsettled(db, &left).await {
                Ok(still) if still.is_empty() => return Ok(since.elapsed()),
                Ok(still) => {
                    left = still;
                    None
                }
                Err(error) => Some(error),
            };
            if since.elapsed() > limit {
                let (left, all) = (left.len(), orders.len());
                let why = error.map_or_else(String::new, |error| format!(": {error:#}"));
                bail!("{left} of {all} orders are not settled after {limit:?}{why}");
            }
            // To look at thousands is work for the database, which has the orders to settle.
            sleep((3 * looked.elapsed()).clamp(LOOK, LONGEST_LOOK)).await;
        }
    }

    /// Waits until one of the orders is settled that could be settled at once, and answers how long that took from
    /// `since`.
    pub async fn until_next(db: &Db, since: Instant, limit: Duration) -> Result<Duration> {
        let mut waiting = Vec::new();
        loop {
            let left = Self::unsettled(db, &waiting).await;
            if left.is_ok_and(|left| left.len() < waiting.len()) {
                return Ok(since.elapsed());
            }
            // While the database is away there is nothing new to be seen.
            waiting = Self::prompt_orders(db).await.unwrap_or(waiting);
            if since.elapsed() > limit {
                bail!("nothing was settled within {limit:?}");
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until every row that is in the outbox now has left it.
    pub async fn until_sent(db: &Db, since: Instant, limit: Duration) -> Result<()> {
        let rows = "select id from outbox";
        let before: BTreeSet<Vec<u8>> =
            sqlx::query_scalar(rows).fetch_all(db.pool()).await?.into_iter().collect();
        loop {
            let now: BTreeSet<Vec<u8>> =
                sqlx::query_scalar(rows).fetch_all(db.pool()).await?.into_iter().collect();
            if now.is_disjoint(&before) {
                return Ok(());
            }
            if since.elapsed() > limit {
                bail!("messages were not sent within {limit:?}");
            }
            sleep(LOOK).await;
        }
    }

    /// Connections to this installation's database, ours among them. Asked a few times: MySQL renders what
    /// each session is doing as text, and refuses while one of them sends bytes that are none.
    pub async fn connections(db: &Db) -> Result<i64> {
        let mut tries = 20;
        loop {
            tries -= 1;
            let counted = sqlx::query_scalar(
                "select cast(count(*) as signed) \
                 from information_schema.processlist \
                 where db = database()",
            )
            .fetch_one(db.pool())
            .await;
            match counted {
                Err(_) if tries > 0 => sleep(LOOK).await,
                counted => return Ok(counted?),
            }
        }
    }

    /// Waits until nothing is under way any more.
    pub async fn until_rest(db: &Db, limit: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let open = Self::open(db).await;
            if matches!(open, Ok(0)) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > limit {
                bail!("{open:?} under way after {limit:?}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

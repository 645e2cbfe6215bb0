//! What is seen in the database from outside, to know when something has recovered or ended. Reads only.

use std::time::Duration;

use anyhow::{Result, bail};
use ordermill_common::db::Db;
use ordermill_common::id::OrderId;
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_millis(20);

/// How many orders and payments are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Checkouts, payments and cancellations without an end, and rows in the outbox.
    pub open: i64,
    /// Orders that were settled: paid, or failed for lack of a payment.
    pub settled: i64,
}

impl Sight {
    /// What there is now; an error while the database is away.
    pub async fn take(db: &Db) -> Result<Self> {
        let (open, settled): (i64, i64) = sqlx::query_as(
            "select cast( \
               (select count(*) from checkouts where wake_at is not null) \
               + (select count(*) from payments where wake_at is not null) \
               + (select count(*) from cancellations where wake_at is not null) \
               + (select count(*) from outbox) as signed), \
             cast((select count(*) from payments where wake_at is null) as signed)",
        )
        .fetch_one(db.pool())
        .await?;
        Ok(Self { open, settled })
    }

    /// The orders that could be settled at once and are not: accepted or reserved, and to be paid with a
    /// token that the gateway answers without delay.
    pub async fn prompt_orders(db: &Db) -> Result<Vec<OrderId>> {
        Ok(sqlx::query_scalar(
            "select c.order_id \
             from checkouts c \
             left join payments p on p.order_id = c.order_id \
             where (c.wake_at is not null or p.status = 'pending') \
             and (c.payment_method = 'tok_approve' or c.payment_method like 'tok_decline%')",
        )
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
        let ids = serde_json::to_string(&orders.iter().map(|id| id.hex()).collect::<Vec<_>>())?;
        loop {
            let left: sqlx::Result<i64> = sqlx::query_scalar(
                "select cast(count(*) as signed) \
                 from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
                 straight_join checkouts c on c.order_id = unhex(j.id) \
                 left join payments p on p.order_id = c.order_id \
                 where c.wake_at is not null or p.status = 'pending'",
            )
            .bind(&ids)
            .fetch_one(db.pool())
            .await;
            if matches!(left, Ok(0)) {
                return Ok(since.elapsed());
            }
            if since.elapsed() > limit {
                bail!("{left:?} of {} orders are not settled after {limit:?}", orders.len());
            }
            sleep(LOOK).await;
        }
    }

    /// Waits for the next payment that ends, and answers how long that took from `since`.
    pub async fn until_next(db: &Db, since: Instant, limit: Duration) -> Result<Duration> {
        let mut first = None;
        loop {
            match (first, Self::take(db).await) {
                (None, Ok(now)) => first = Some(now.settled),
                (Some(before), Ok(now)) if now.settled > before => return Ok(since.elapsed()),
                _ => {}
            }
            if since.elapsed() > limit {
                bail!("nothing was settled within {limit:?}");
            }
            sleep(LOOK).await;
        }
    }

    /// Connections to this installation's database, ours among them.
    pub async fn connections(db: &Db) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "select cast(count(*) as signed) \
             from information_schema.processlist \
             where db = database()",
        )
        .fetch_one(db.pool())
        .await?)
    }

    /// Waits until nothing is under way any more.
    pub async fn until_rest(db: &Db, limit: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let seen = Self::take(db).await;
            if matches!(seen, Ok(Self { open: 0, .. })) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > limit {
                bail!("{seen:?} after {limit:?}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

//! The rows of `checkouts` as the pipeline uses them: locked, consumed, put off, woken.
//!
//! Lock order: checkouts are the pipeline's first locks, by ascending order id.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use crate::db::batch::{self, Locks};
use crate::db::{Error, Result, Tx, wake};
use crate::id::{OrderId, UserId};
use crate::trace::RequestId;

/// What was accepted.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The order that it becomes.
    pub order_id: OrderId,
    /// Whose it is.
    pub user_id: UserId,
    /// The snapshot's text; [`snapshot::read`](super::snapshot::read) reads it.
    pub lines: String,
    /// The payment method's token.
    pub payment_method: String,
    /// What the lines cost together in minor units.
    pub total: i64,
    /// The request that was accepted.
    pub request_id: RequestId,
    /// When it was accepted.
    pub accepted_at: DateTime<Utc>,
    /// Whether a worker has made it an order.
    pub consumed: bool,
}

/// The columns of a checkout.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    order_id: OrderId,
    user_id: UserId,
    lines: String,
    payment_method: String,
    total: i64,
    request_id: String,
    accepted_at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Checkout {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            order_id: row.order_id,
            user_id: row.user_id,
            lines: row.lines,
            payment_method: row.payment_method,
            total: row.total,
            request_id: wake::request_id(row.request_id)?,
            accepted_at: row.accepted_at,
            consumed: row.consumed_at.is_some(),
        })
    }
}

crate::lock_by_id!(
    LOCK,
    LOCK_SKIP,
    "t.order_id, t.user_id, t.`lines`, t.payment_method, t.total, t.request_id, t.accepted_at, \
     t.consumed_at",
    "checkouts",
    "order_id"
);

/// Locks the checkouts of these orders and reads them, in the order of their ids. Unknown ones are
/// missing, and with [`Locks::Skip`] those that somebody else holds.
pub async fn lock(tx: &mut Tx<'_>, ids: &[OrderId], locks: Locks) -> Result<Vec<Checkout>> {
    let rows: Vec<Row> = sqlx::query_as(locks.choose(LOCK, LOCK_SKIP))
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter().map(Checkout::try_from).collect()
}

const CONSUME: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join checkouts t force index (primary) on t.order_id = unhex(j.id)
set t.consumed_at = now(6), t.wake_at = null
where t.consumed_at is null";

/// Marks locked checkouts as consumed: an order exists for each. All of them must be unconsumed, and
/// each named once.
pub async fn consume(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<()> {
    let outcome = sqlx::query(CONSUME)
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .execute(&mut **tx)
        .await?;
    batch::touched("consuming checkouts", ids.len(), &outcome)
}

const PUT_OFF: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join checkouts t force index (primary) on t.order_id = unhex(j.id)
set t.wake_at = date_add(now(6), interval ? microsecond), t.wakes = 0
where t.consumed_at is null";

/// Wakes the unconsumed ones of these checkouts again after `delay`. It waits for rows that another
/// transaction holds: what [`lock`] skipped needs no call, because its wake-up stands already.
pub async fn put_off(conn: &mut MySqlConnection, ids: &[OrderId], delay: Duration) -> Result<()> {
    sqlx::query(PUT_OFF)
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .bind(wake::micros(delay))
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts a failure for good of an unconsumed checkout, wakes it again after `delay` and answers how many
/// it has had.
pub async fn raise_attempts(
    conn: &mut MySqlConnection,
    order_id: OrderId,
    delay: Duration,
) -> Result<u32> {
    sqlx::query(
        "update checkouts \
         set attempts = attempts + 1, wake_at = date_add(now(6), interval ? microsecond), wakes = 0 \
         where order_id = ? and consumed_at is null",
    )
    .bind(wake::micros(delay))
    .bind(order_id)
    .execute(&mut *conn)
    .await?;
    let attempts: i32 = sqlx::query_scalar("select attempts from checkouts where order_id = ?")
        .bind(order_id)
        .fetch_one(conn)
        .await?;
    wake::count(attempts)
}

const DUE: &str = "\
select order_id, request_id, wakes
from checkouts force index (checkouts_wake)
where wake_at <= now(6)
order by wake_at
limit ?
for update skip locked";

const MOVE_ON: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$.id', delay int path '$.delay')) j
straight_join checkouts t force index (primary) on t.order_id = unhex(j.id)
set t.wakes = t.wakes + 1, t.wake_at = date_add(now(6), interval j.delay second)";

/// Takes at most `limit` checkouts whose wake-up is due, moves their next one on, and answers whom to
/// wake: the caller writes the outbox rows in the same transaction. Rows held by others are left.
pub async fn due(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(OrderId, RequestId)>> {
    let rows: Vec<(OrderId, String, i32)> =
        sqlx::query_as(DUE).bind(limit).fetch_all(&mut **tx).await?;
    let moves: Vec<_> =
        rows.iter().map(|(id, _, wakes)| wake::Next::after(id.uuid(), *wakes)).collect();
    let outcome = sqlx::query(MOVE_ON).bind(batch::json(&moves)).execute(&mut **tx).await?;
    batch::touched("moving wake-ups of checkouts on", rows.len(), &outcome)?;
    let woken = |(id, request, _)| (id, wake::request_to_wake(id, request));
    Ok(rows.into_iter().map(woken).collect())
}

const ASLEEP: &str = "\
select order_id
from checkouts force index (checkouts_wake)
where wake_at > now(6)";

const WAKE: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join checkouts t force index (primary) on t.order_id = unhex(j.id)
set t.wake_at = now(6), t.wakes = 0
where t.wake_at is not null";

/// Makes everything unconsumed due now and answers how many rows had to be moved.
pub async fn wake_all_unfinished(conn: &mut MySqlConnection) -> Result<u64> {
    wake::each_once(conn, ASLEEP, WAKE).await
}

/// Wakes the order's checkout after this delay if it is unfinished; answers whether it is.
pub async fn wake_one(
    conn: &mut MySqlConnection,
    order_id: OrderId,
    delay: Duration,
) -> Result<bool> {
    let outcome = sqlx::query(
        "update checkouts \
         set wake_at = date_add(now(6), interval ? microsecond) \
         where order_id = ? and consumed_at is null",
    )
    .bind(wake::micros(delay))
    .bind(order_id)
    .execute(conn)
    .await?;
    Ok(outcome.rows_affected() > 0)
}

/// Whether there is such a checkout.
pub async fn exists(conn: &mut MySqlConnection, order_id: OrderId) -> Result<bool> {
    let found: Option<i32> = sqlx::query_scalar("select 1 from checkouts where order_id = ?")
        .bind(order_id)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

/// The request that the order's checkout came with; `None` when there is no such checkout.
pub async fn request_of(
    conn: &mut MySqlConnection,
    order_id: OrderId,
) -> Result<Option<RequestId>> {
    let found: Option<String> =
        sqlx::query_scalar("select request_id from checkouts where order_id = ?")
            .bind(order_id)
            .fetch_optional(conn)
            .await?;
    found.map(wake::request_id).transpose()
}

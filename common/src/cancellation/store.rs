//! The rows of `cancellations`: read or locked by the stages that hold their orders, decided once, woken
//! until then.
//!
//! Lock order: a cancellation is touched only under the lock of its order, or of its checkout while there
//! is no order; several by ascending order id. Sweeps and wake-ups touch it without, and
//! wait for nobody afterwards.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::MySqlConnection;

use super::Wish;
use crate::db::{Error, Result, Tx, batch, wake};
use crate::id::OrderId;
use crate::trace::RequestId;

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The order was cancelled.
    Cancelled,
    /// It could no longer be cancelled.
    Refused,
}

impl Outcome {
    /// The outcome as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }

    /// Reads what is stored.
    pub fn read(stored: Option<&str>) -> Result<Option<Self>> {
        match stored {
            None => Ok(None),
            Some("cancelled") => Ok(Some(Self::Cancelled)),
            Some("refused") => Ok(Some(Self::Refused)),
            Some(other) => Err(Error::Impossible(format!("a cancellation that was {other}"))),
        }
    }
}

/// Who asked to cancel which order, and what became of it.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// The order.
    pub order_id: OrderId,
    /// `buyer`, or the admin's role and id.
    pub requested_by: String,
    /// What they said.
    pub reason: Option<String>,
    /// The request that asked for it.
    pub request_id: RequestId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// What became of it; `None` until a worker has decided.
    pub outcome: Option<Outcome>,
}

#[derive(sqlx::FromRow)]
struct Row {
    order_id: OrderId,
    requested_by: String,
    reason: Option<String>,
    request_id: String,
    requested_at: DateTime<Utc>,
    outcome: Option<String>,
}

impl TryFrom<Row> for Cancellation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            order_id: row.order_id,
            requested_by: row.requested_by,
            reason: row.reason,
            request_id: wake::request_id(row.request_id)?,
            requested_at: row.requested_at,
            outcome: Outcome::read(row.outcome.as_deref())?,
        })
    }
}

const READ: &str = "\
select t.order_id, t.requested_by, t.reason, t.request_id, t.requested_at, t.outcome
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join cancellations t force index (primary) on t.order_id = unhex(j.id)
order by t.order_id";

/// Reads the cancellations of these orders without locking them, in the order of their ids: enough for
/// whoever holds the orders' rows.
pub async fn read(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<Vec<Cancellation>> {
    let rows: Vec<Row> = sqlx::query_as(READ)
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter().map(Cancellation::try_from).collect()
}

/// Notes the wish; it is woken again in 30 s if no message reaches a worker before. The caller holds the
/// checkout's row and has seen that there is none.
pub(super) async fn insert(tx: &mut Tx<'_>, wish: &Wish) -> Result<()> {
    let outcome = sqlx::query(
        "insert into cancellations \
         (order_id, requested_by, reason, request_id, requested_at, wake_at) \
         values (?, ?, ?, ?, ?, date_add(now(6), interval 30 second))",
    )
    .bind(wish.order_id)
    .bind(&wish.by)
    .bind(&wish.reason)
    .bind(wish.request_id.as_str())
    .bind(wish.at)
    .execute(&mut **tx)
    .await?;
    batch::touched("noting a cancellation", 1, &outcome)
}

#[derive(Serialize)]
struct Decision {
    id: String,
    outcome: &'static str,
}

const DECIDE: &str = "\
update json_table(?, '$[*]' columns (
  id char(32) character set ascii path '$.id',
  outcome varchar(16) character set ascii collate ascii_bin path '$.outcome')) j
straight_join cancellations t force index (primary) on t.order_id = unhex(j.id)
set t.outcome = j.outcome, t.decided_at = now(6), t.wake_at = null
where t.outcome is null";

/// Decides these cancellations. All of them must be undecided, and each named once.
pub async fn decide(tx: &mut Tx<'_>, decisions: &[(OrderId, Outcome)]) -> Result<()> {
    let mut rows: Vec<_> = decisions
        .iter()
        .map(|(id, outcome)| Decision { id: id.hex(), outcome: outcome.as_str() })
        .collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let outcome = sqlx::query(DECIDE).bind(batch::json(&rows)).execute(&mut **tx).await?;
    batch::touched("deciding cancellations", decisions.len(), &outcome)
}

const PUT_OFF: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join cancellations t force index (primary) on t.order_id = unhex(j.id)
set t.wake_at = date_add(now(6), interval ? microsecond), t.wakes = 0
where t.outcome is null";

/// Wakes the undecided ones of these again after `delay`. It waits for rows that another transaction
/// holds.
pub async fn put_off(conn: &mut MySqlConnection, ids: &[OrderId], delay: Duration) -> Result<()> {
    sqlx::query(PUT_OFF)
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .bind(wake::micros(delay))
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts a failure for good of an undecided cancellation, wakes it again after `delay` and answers how
/// many it has had.
pub async fn raise_attempts(
    conn: &mut MySqlConnection,
    order_id: OrderId,
    delay: Duration,
) -> Result<u32> {
    sqlx::query(
        "update cancellations \
         set attempts = attempts + 1, wake_at = date_add(now(6), interval ? microsecond), wakes = 0 \
         where order_id = ? and outcome is null",
    )
    .bind(wake::micros(delay))
    .bind(order_id)
    .execute(&mut *conn)
    .await?;
    let attempts: i32 = sqlx::query_scalar("select attempts from cancellations where order_id = ?")
        .bind(order_id)
        .fetch_one(conn)
        .await?;
    wake::count(attempts)
}

const DUE: &str = "\
select order_id, request_id, wakes
from cancellations force index (cancellations_wake)
where wake_at <= now(6)
order by wake_at
limit ?
for update skip locked";

const MOVE_ON: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$.id', delay int path '$.delay')) j
straight_join cancellations t force index (primary) on t.order_id = unhex(j.id)
set t.wakes = t.wakes + 1, t.wake_at = date_add(now(6), interval j.delay second)";

/// Takes at most `limit` cancellations whose wake-up is due, moves their next one on, and answers whom
/// to wake: the caller writes the outbox rows in the same transaction. Rows held by others are left.
pub async fn due(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(OrderId, RequestId)>> {
    let rows: Vec<(OrderId, String, i32)> =
        sqlx::query_as(DUE).bind(limit).fetch_all(&mut **tx).await?;
    let moves: Vec<_> =
        rows.iter().map(|(id, _, wakes)| wake::Next::after(id.uuid(), *wakes)).collect();
    let outcome = sqlx::query(MOVE_ON).bind(batch::json(&moves)).execute(&mut **tx).await?;
    batch::touched("moving wake-ups of cancellations on", rows.len(), &outcome)?;
    let woken = |(id, request, _)| (id, wake::request_to_wake(id, request));
    Ok(rows.into_iter().map(woken).collect())
}

const ASLEEP: &str = "\
select order_id
from cancellations force index (cancellations_wake)
where wake_at > now(6)";

const WAKE: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join cancellations t force index (primary) on t.order_id = unhex(j.id)
set t.wake_at = now(6), t.wakes = 0
where t.wake_at is not null";

/// Makes everything undecided due now and answers how many rows had to be moved.
pub async fn wake_all_unfinished(conn: &mut MySqlConnection) -> Result<u64> {
    wake::each_once(conn, ASLEEP, WAKE).await
}

/// Wakes the order's cancellation after this delay if it is unfinished; answers whether it is.
pub async fn wake_one(
    conn: &mut MySqlConnection,
    order_id: OrderId,
    delay: Duration,
) -> Result<bool> {
    let outcome = sqlx::query(
        "update cancellations \
         set wake_at = date_add(now(6), interval ? microsecond) \
         where order_id = ? and outcome is null",
    )
    .bind(wake::micros(delay))
    .bind(order_id)
    .execute(conn)
    .await?;
    Ok(outcome.rows_affected() > 0)
}

/// Whether there is such a cancellation.
pub async fn exists(conn: &mut MySqlConnection, order_id: OrderId) -> Result<bool> {
    let found: Option<i32> = sqlx::query_scalar("select 1 from cancellations where order_id = ?")
        .bind(order_id)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

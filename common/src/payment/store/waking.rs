//! When an unfinished payment is looked at again.

use std::time::Duration;

use sqlx::MySqlConnection;

use crate::db::batch::{self, touched};
use crate::db::{Result, Tx, wake};
use crate::id::{OrderId, OwnerId, PaymentId};
use crate::trace::RequestId;

/// Puts an unfinished payment off after a failure of `owner` to write its outcome; the pause follows from how many
/// there were. Answers that number, or `None` when the payment has ended or is somebody else's by now.
pub async fn put_off_failed(
    conn: &mut MySqlConnection,
    owner: OwnerId,
    order: OrderId,
    pause: fn(u32) -> Duration,
) -> Result<Option<u32>> {
    let failures: Option<i32> = sqlx::query_scalar(
        "select failures \
         from payments \
         where order_id = ? and status in ('pending', 'void_due') and coalesce(owner, ?) = ?",
    )
    .bind(order)
    .bind(owner)
    .bind(owner)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(failures) = failures else { return Ok(None) };
    let failures = wake::count(failures)? + 1;
    sqlx::query(
        "update payments \
         set failures = ?, owner = null, lease_until = null, \
           wake_at = now(6) + interval ? microsecond, wakes = 0 \
         where order_id = ? and status in ('pending', 'void_due') and coalesce(owner, ?) = ?",
    )
    .bind(failures)
    .bind(wake::micros(pause(failures)))
    .bind(order)
    .bind(owner)
    .bind(owner)
    .execute(conn)
    .await?;
    Ok(Some(failures))
}

/// Up to `limit` unfinished payments whose wake-up has come, with the request that each checkout came with;
/// the next wake-up of each is moved on, 30 s doubling to 10 min.
pub async fn due(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(OrderId, RequestId)>> {
    let rows: Vec<(PaymentId, OrderId, i32)> = sqlx::query_as(
        "select t.id, t.order_id, t.wakes \
         from payments t force index (payments_wake) \
         where t.wake_at <= now(6) \
         order by t.wake_at \
         limit ? \
         for update skip locked",
    )
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let moves: Vec<_> =
        rows.iter().map(|(id, _, wakes)| wake::Next::after(id.uuid(), *wakes)).collect();
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           delay int path '$.delay')) j \
         straight_join payments t force index (primary) on t.id = unhex(j.id) \
         set t.wake_at = now(6) + interval j.delay second, t.wakes = t.wakes + 1",
    )
    .bind(batch::json(&moves))
    .execute(&mut **tx)
    .await?;
    touched("move payments' wake-ups on", rows.len(), &outcome)?;
    let requests: Vec<(OrderId, String)> = sqlx::query_as(
        "select c.order_id, c.request_id \
         from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join checkouts c force index (primary) on c.order_id = unhex(j.id)",
    )
    .bind(batch::ids(rows.iter().map(|(_, order, _)| order.uuid())))
    .fetch_all(&mut **tx)
    .await?;
    let woken = |(id, request)| (id, wake::request_to_wake(id, request));
    Ok(requests.into_iter().map(woken).collect())
}

const ASLEEP: &str = "\
select id
from payments force index (payments_wake)
where wake_at > now(6)";

const WAKE: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join payments t force index (primary) on t.id = unhex(j.id)
set t.wake_at = now(6), t.wakes = 0
where t.wake_at is not null";

/// Wakes every unfinished payment now; answers how many.
pub async fn wake_all_unfinished(conn: &mut MySqlConnection) -> Result<u64> {
    wake::each_once(conn, ASLEEP, WAKE).await
}

/// Wakes the order's payment after this delay if it is unfinished; answers whether it is.
pub async fn wake_one(
    conn: &mut MySqlConnection,
    order_id: OrderId,
    delay: Duration,
) -> Result<bool> {
    let outcome = sqlx::query(
        "update payments \
         set wake_at = now(6) + interval ? microsecond \
         where order_id = ? and status in ('pending', 'void_due')",
    )
    .bind(wake::micros(delay))
    .bind(order_id)
    .execute(conn)
    .await?;
    Ok(outcome.rows_affected() > 0)
}

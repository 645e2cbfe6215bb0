//! Who may ask the gateway for a payment: one process at a time, until its lease ends.

use std::time::Duration;

use super::{Payment, lock};
use crate::db::batch::{self, Locks, touched};
use crate::db::{Result, Tx, wake};
use crate::id::{OrderId, OwnerId, PaymentId};

/// Takes the lease of those unfinished payments of these orders that nobody holds, and answers them; the
/// others are held or ended. With [`Locks::Skip`] rows that others have locked count as held.
pub async fn win_leases(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
    orders: &[OrderId],
    locks: Locks,
) -> Result<Vec<Payment>> {
    let mut free = lock(tx, orders, locks).await?;
    free.retain(|payment| payment.status.is_unfinished() && payment.leased_to.is_none());
    if free.is_empty() {
        return Ok(free);
    }
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join payments t force index (primary) on t.id = unhex(j.id) \
         set t.owner = ?, t.lease_until = now(6) + interval ? microsecond, \
           t.wake_at = now(6) + interval ? microsecond, t.wakes = 0",
    )
    .bind(batch::ids(free.iter().map(|payment| payment.id.uuid())))
    .bind(owner)
    .bind(wake::micros(lease))
    .bind(wake::micros(lease))
    .execute(&mut **tx)
    .await?;
    touched("lease payments", free.len(), &outcome)?;
    Ok(free)
}

/// Ends up to `limit` leases that this owner holds and wakes their payments now; answers how many there
/// were. For an owner that is gone.
pub async fn end_leases(tx: &mut Tx<'_>, owner: OwnerId, limit: u32) -> Result<usize> {
    let rows: Vec<PaymentId> = sqlx::query_scalar(
        "select t.id \
         from payments t force index (payments_wake) \
         where t.wake_at > now(6) and t.owner = ? \
         order by t.wake_at \
         limit ? \
         for update skip locked",
    )
    .bind(owner)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    end(tx, &rows, Duration::ZERO).await?;
    Ok(rows.len())
}

/// Ends the leases that this owner holds of these orders' payments, and wakes them after `delay`: for
/// outcomes that cannot be written now. It waits for nobody: a payment that another transaction has locked
/// keeps its lease, whose end wakes it.
pub async fn give_back(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    orders: &[OrderId],
    delay: Duration,
) -> Result<()> {
    let rows: Vec<PaymentId> = sqlx::query_scalar(
        "select t.id \
         from (select unhex(j.id) as id \
           from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
           limit 1000000) d \
         straight_join payments t force index (payments_order) on t.order_id = d.id \
         where t.owner = ? \
         for update skip locked",
    )
    .bind(batch::ids(orders.iter().map(|id| id.uuid())))
    .bind(owner)
    .fetch_all(&mut **tx)
    .await?;
    end(tx, &rows, delay).await
}

async fn end(tx: &mut Tx<'_>, locked: &[PaymentId], delay: Duration) -> Result<()> {
    if locked.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join payments t force index (primary) on t.id = unhex(j.id) \
         set t.owner = null, t.lease_until = null, \
           t.wake_at = now(6) + interval ? microsecond, t.wakes = 0",
    )
    .bind(batch::ids(locked.iter().map(|id| id.uuid())))
    .bind(wake::micros(delay))
    .execute(&mut **tx)
    .await?;
    touched("end leases", locked.len(), &outcome)
}

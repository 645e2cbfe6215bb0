//! The rows of payments and the log of calls without a verdict. Only this file and the two under
//! it write these tables.
//!
//! The order's row guards the payment's status. The lease (`owner`, `lease_until`) says who may ask the
//! gateway; it is taken on the payment's own row, after the orders and before the stock in the lock order.
//! `wake_at` is null exactly when the payment has ended.

use std::time::Duration;

use serde::Serialize;
use sqlx::Row as _;

use super::PaymentStatus;
use crate::db::batch::{self, Locks, touched};
use crate::db::{Result, Tx, wake};
use crate::id::{OrderId, OwnerId, PaymentId};

mod lease;
mod waking;

pub use lease::{end_leases, give_back, win_leases};
pub use waking::{due, put_off_failed, wake_all_unfinished, wake_one};

/// A payment's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The gateway's key for every attempt.
    pub id: PaymentId,
    /// Its order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// The token of the payment method.
    pub method: String,
    /// Minor units.
    pub amount: i64,
    /// Calls that ended without a verdict.
    pub attempts: u32,
    /// How long ago the first of them was written down, by the database's clock.
    pub first_silence: Option<Duration>,
    /// Failures to write an outcome.
    pub failures: u32,
    /// Who took the lease last, until it is given back; it may have run out.
    pub owner: Option<OwnerId>,
    /// Whose lease still runs, if somebody's does.
    pub leased_to: Option<OwnerId>,
    /// How long ago it was created, by the database's clock.
    pub age: Duration,
}

/// A payment as reserve creates it: pending, and leased to the reserving worker.
#[derive(Debug, Clone, Copy)]
pub struct NewPayment<'a> {
    /// Its id.
    pub id: PaymentId,
    /// Its order.
    pub order_id: OrderId,
    /// The token of the payment method.
    pub method: &'a str,
    /// Minor units.
    pub amount: i64,
}

/// What a stage writes to a payment whose order it has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentChange<'a> {
    /// The gateway's verdict: captured.
    Captured,
    /// The gateway's verdict: declined, and why.
    Declined(&'a str),
    /// To be voided, by this owner first; its lease starts now.
    VoidDue,
    /// The gateway confirmed the void.
    Voided,
    /// No verdict: the lease is given back and the payment sleeps this long.
    Later(Duration),
}

fn payment(row: &sqlx::mysql::MySqlRow) -> Result<Payment> {
    let since = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    Ok(Payment {
        id: row.try_get("id")?,
        order_id: row.try_get("order_id")?,
        status: PaymentStatus::read(row.try_get("status")?)?,
        method: row.try_get("method")?,
        amount: row.try_get("amount")?,
        attempts: wake::count(row.try_get("attempts")?)?,
        first_silence: row.try_get::<Option<i64>, _>("first_silence")?.map(since),
        failures: wake::count(row.try_get("failures")?)?,
        owner: row.try_get("owner")?,
        leased_to: row.try_get("leased_to")?,
        age: since(row.try_get("age")?),
    })
}

macro_rules! of_orders {
    ($lock:literal) => {
        concat!(
            "select t.id, t.order_id, t.status, t.method, t.amount, t.attempts, t.failures, t.owner, \
               if(t.lease_until > now(6), t.owner, null) as leased_to, \
               timestampdiff(microsecond, t.created_at, now(6)) as age, \
               if(t.attempts = 0, null, ( \
                 select timestampdiff(microsecond, a.at, now(6)) \
                 from payment_attempts a \
                 where a.payment_id = t.id and a.attempt = 1)) as first_silence \
             from (select unhex(j.id) as id \
               from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
               limit 1000000) d \
             straight_join payments t force index (payments_order) on t.order_id = d.id",
            $lock
        )
    };
}

const OF_ORDERS: &str = of_orders!("");
const LOCK: &str = of_orders!(" for update");
const LOCK_SKIP: &str = of_orders!(" for update skip locked");

/// The payments of these orders, where they have one, without a lock.
pub async fn of_orders(tx: &mut Tx<'_>, orders: &[OrderId]) -> Result<Vec<Payment>> {
    select(tx, OF_ORDERS, orders.to_vec()).await
}

/// Locks the payments of these orders, where they have one, by ascending order id. With [`Locks::Skip`]
/// rows that others have locked are left out; [`of_orders`] tells which.
pub async fn lock(tx: &mut Tx<'_>, orders: &[OrderId], locks: Locks) -> Result<Vec<Payment>> {
    let mut orders = orders.to_vec();
    orders.sort_unstable();
    select(tx, locks.choose(LOCK, LOCK_SKIP), orders).await
}

async fn select(
    tx: &mut Tx<'_>,
    statement: &'static str,
    orders: Vec<OrderId>,
) -> Result<Vec<Payment>> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(statement)
        .bind(batch::ids(orders.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(payment).collect()
}

#[derive(Serialize)]
struct NewJson<'a> {
    id: String,
    order_id: String,
    method: &'a str,
    amount: i64,
}

/// Creates the payments, leased to this owner; the end of the lease is their wake-up.
pub async fn insert(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
    payments: &[NewPayment<'_>],
) -> Result<()> {
    if payments.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = payments
        .iter()
        .map(|payment| NewJson {
            id: payment.id.hex(),
            order_id: payment.order_id.hex(),
            method: payment.method,
            amount: payment.amount,
        })
        .collect();
    let outcome = sqlx::query(
        "insert into payments \
           (id, order_id, status, method, amount, owner, lease_until, wake_at, created_at, updated_at) \
         select unhex(j.id), unhex(j.order_id), 'pending', j.method, j.amount, ?, \
           now(6) + interval ? microsecond, now(6) + interval ? microsecond, now(6), now(6) \
         from json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           order_id char(32) character set ascii path '$.order_id', \
           method varchar(64) character set ascii collate ascii_bin path '$.method', \
           amount bigint path '$.amount')) j",
    )
    .bind(owner)
    .bind(wake::micros(lease))
    .bind(wake::micros(lease))
    .bind(batch::json(&rows))
    .execute(&mut **tx)
    .await?;
    touched("insert payments", rows.len(), &outcome)
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_reason: Option<&'a str>,
    /// Microseconds of lease from now; 0 gives it back.
    lease: i64,
    /// Microseconds until the wake-up; -1 for never.
    wake: i64,
}

/// Saves one change for each of the payments; the caller has locked their orders.
pub async fn save(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
    changes: &[(&Payment, PaymentChange<'_>)],
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        changes.iter().map(|(payment, change)| change_json(payment, *change, lease)).collect();
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           status varchar(16) character set ascii collate ascii_bin path '$.status', \
           decline_reason varchar(64) character set ascii collate ascii_bin path '$.decline_reason', \
           lease bigint path '$.lease', \
           wake bigint path '$.wake')) j \
         straight_join payments t force index (primary) on t.id = unhex(j.id) \
         set t.status = j.status, \
           t.decline_reason = coalesce(j.decline_reason, t.decline_reason), \
           t.owner = if(j.lease > 0, ?, null), \
           t.lease_until = if(j.lease > 0, now(6) + interval j.lease microsecond, null), \
           t.wake_at = if(j.wake >= 0, now(6) + interval j.wake microsecond, null), \
           t.wakes = 0, \
           t.updated_at = now(6)",
    )
    .bind(batch::json(&rows))
    .bind(owner)
    .execute(&mut **tx)
    .await?;
    touched("save payments", rows.len(), &outcome)
}

fn change_json<'a>(
    payment: &Payment,
    change: PaymentChange<'a>,
    lease: Duration,
) -> ChangeJson<'a> {
    let (status, decline_reason, lease, wake) = match change {
        PaymentChange::Captured => (PaymentStatus::Captured, None, 0, -1),
        PaymentChange::Declined(reason) => (PaymentStatus::Declined, Some(reason), 0, -1),
        PaymentChange::VoidDue => {
            (PaymentStatus::VoidDue, None, wake::micros(lease), wake::micros(lease))
        }
        PaymentChange::Voided => (PaymentStatus::Voided, None, 0, -1),
        PaymentChange::Later(delay) => (payment.status, None, 0, wake::micros(delay)),
    };
    ChangeJson { id: payment.id.hex(), status: status.as_str(), decline_reason, lease, wake }
}

#[derive(Serialize)]
struct AttemptJson<'a> {
    id: String,
    attempt: u32,
    call: &'a str,
    outcome: &'a str,
}

/// Logs calls that ended without a verdict and counts them; the caller has locked their orders.
pub async fn log_attempts(
    tx: &mut Tx<'_>,
    attempts: &[(&Payment, &'static str, &str)],
) -> Result<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = attempts
        .iter()
        .map(|(payment, call, outcome)| AttemptJson {
            id: payment.id.hex(),
            attempt: payment.attempts + 1,
            call,
            outcome,
        })
        .collect();
    let rows = batch::json(&rows);
    let counted = sqlx::query(
        "update json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           attempt int path '$.attempt')) j \
         straight_join payments t force index (primary) on t.id = unhex(j.id) \
         set t.attempts = j.attempt",
    )
    .bind(&rows)
    .execute(&mut **tx)
    .await?;
    touched("count attempts", attempts.len(), &counted)?;
    let logged = sqlx::query(
        "insert into payment_attempts (payment_id, attempt, call_kind, outcome, at) \
         select unhex(j.id), j.attempt, j.call_kind, j.outcome, now(6) \
         from json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           attempt int path '$.attempt', \
           call_kind varchar(8) character set ascii collate ascii_bin path '$.call', \
           outcome varchar(64) character set ascii collate ascii_bin path '$.outcome')) j",
    )
    .bind(&rows)
    .execute(&mut **tx)
    .await?;
    touched("log attempts", attempts.len(), &logged)
}

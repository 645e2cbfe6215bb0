//! The rows of orders, their lines and their history. Only this file and `insert` write these tables.
//!
//! Lock order in the pipeline: checkouts, orders, payments, stock, carts, `cart_lines`, each by ascending
//! primary key, payments by their order's. The order's row guards its lines and its history, which are not locked
//! themselves, and its payment.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;

use super::Status;
use crate::checkout::SnapshotLine;
use crate::db::batch::{self, Locks, touched};
use crate::db::{Error, Result, Tx};
use crate::id::{OrderId, ProductId, UserId};

mod insert;

pub use insert::insert;

/// An order's row, without what no stage decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRow {
    /// The order.
    pub id: OrderId,
    /// Its buyer.
    pub user_id: UserId,
    /// Where it stands; never `accepted`.
    pub status: Status,
    /// One more for each change that the buyer can see.
    pub version: i64,
}

/// An order as it is created: its first worker's decision follows its acceptance at once.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    /// The order, named by its checkout.
    pub id: OrderId,
    /// Its buyer.
    pub user_id: UserId,
    /// Where it stands from the start.
    pub status: Status,
    /// Why, for the statuses that have reasons.
    pub reason: Option<&'static str>,
    /// What was short, as JSON text.
    pub shortfall: Option<String>,
    /// Its snapshot.
    pub lines: &'a [SnapshotLine],
    /// Minor units, as accepted.
    pub total: i64,
    /// When the checkout was accepted: the first entry of the history.
    pub accepted_at: DateTime<Utc>,
    /// Who caused the status: a worker, or who cancelled.
    pub actor: &'a str,
    /// A word of who cancelled, for the history.
    pub note: Option<&'a str>,
    /// Now.
    pub at: DateTime<Utc>,
}

/// One change that the buyer can see.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The order, locked by the caller.
    pub id: OrderId,
    /// Where it stands after the change.
    pub status: Status,
    /// Its version after the change.
    pub version: i64,
    /// Why, for the statuses that have reasons.
    pub reason: Option<&'static str>,
    /// What happened: the status reached, or `cancel_refused`.
    pub event: &'static str,
    /// Who caused it.
    pub actor: &'a str,
    /// A word for the history.
    pub note: Option<&'a str>,
    /// Now.
    pub at: DateTime<Utc>,
}

crate::lock_by_id!(LOCK, LOCK_SKIP, "t.id, t.user_id, t.status, t.version", "orders", "id");

/// Locks the orders that exist, by ascending id.
pub async fn lock(tx: &mut Tx<'_>, ids: &[OrderId], locks: Locks) -> Result<Vec<OrderRow>> {
    let rows = sqlx::query(locks.choose(LOCK, LOCK_SKIP))
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(order_row).collect()
}

/// Reads the orders that exist, without a lock.
pub async fn find_all(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<Vec<OrderRow>> {
    let rows = sqlx::query(
        "select t.id, t.user_id, t.status, t.version \
         from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join orders t force index (primary) on t.id = unhex(j.id)",
    )
    .bind(batch::ids(ids.iter().map(|id| id.uuid())))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(order_row).collect()
}

fn order_row(row: &sqlx::mysql::MySqlRow) -> Result<OrderRow> {
    let status: &str = row.try_get("status")?;
    Ok(OrderRow {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        status: Status::from_str(status)
            .map_err(|_| Error::Impossible(format!("an order with status {status}")))?,
        version: row.try_get("version")?,
    })
}

/// The lines of the orders, by order and product.
pub async fn lines(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<Vec<(OrderId, SnapshotLine)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select t.order_id, t.product_id, t.sku, t.name, t.quantity, t.price \
         from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join order_lines t force index (primary) on t.order_id = unhex(j.id)",
    )
    .bind(batch::ids(ids.iter().map(|id| id.uuid())))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let quantity: i32 = row.try_get("quantity")?;
            Ok((
                row.try_get("order_id")?,
                SnapshotLine {
                    product_id: row.try_get("product_id")?,
                    sku: row.try_get("sku")?,
                    name: row.try_get("name")?,
                    quantity: u32::try_from(quantity)
                        .map_err(|_| Error::Impossible("a negative quantity".to_owned()))?,
                    price: row.try_get("price")?,
                },
            ))
        })
        .collect()
}

#[derive(Serialize)]
struct HistoryJson<'a> {
    order_id: String,
    version: i64,
    status: &'static str,
    event: &'a str,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    at: String,
}

async fn insert_history(tx: &mut Tx<'_>, entries: &[HistoryJson<'_>]) -> Result<()> {
    let outcome = sqlx::query(
        "insert into order_history (order_id, version, status, event, actor, reason, at) \
         select unhex(j.order_id), j.version, j.status, j.event, j.actor, j.reason, j.at \
         from json_table(?, '$[*]' columns ( \
           order_id char(32) character set ascii path '$.order_id', \
           version bigint path '$.version', \
           status varchar(16) character set ascii collate ascii_bin path '$.status', \
           event varchar(24) character set ascii collate ascii_bin path '$.event', \
           actor varchar(40) character set ascii collate ascii_bin path '$.actor', \
           reason varchar(200) character set utf8mb4 collate utf8mb4_general_ci path '$.reason', \
           at char(26) character set ascii path '$.at')) j",
    )
    .bind(batch::json(entries))
    .execute(&mut **tx)
    .await?;
    touched("insert order history", entries.len(), &outcome)
}

#[derive(Serialize)]
struct ChangeJson {
    id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    version: i64,
    at: String,
}

/// Saves one change for each of the orders, which the caller has locked, and its entry of the history.
pub async fn save(tx: &mut Tx<'_>, changes: &[Change<'_>]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| ChangeJson {
            id: change.id.hex(),
            status: change.status.as_str(),
            reason: change.reason,
            version: change.version,
            at: batch::time(change.at),
        })
        .collect();
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           status varchar(16) character set ascii collate ascii_bin path '$.status', \
           reason varchar(32) character set ascii collate ascii_bin path '$.reason', \
           version bigint path '$.version', \
           at char(26) character set ascii path '$.at')) j \
         straight_join orders t force index (primary) on t.id = unhex(j.id) \
         set t.status = j.status, t.reason = coalesce(j.reason, t.reason), t.version = j.version, \
           t.updated_at = j.at",
    )
    .bind(batch::json(&rows))
    .execute(&mut **tx)
    .await?;
    touched("save orders", rows.len(), &outcome)?;
    let entries: Vec<_> = changes
        .iter()
        .map(|change| HistoryJson {
            order_id: change.id.hex(),
            version: change.version,
            status: change.status.as_str(),
            event: change.event,
            actor: change.actor,
            reason: change.note.or(change.reason),
            at: batch::time(change.at),
        })
        .collect();
    insert_history(tx, &entries).await
}

/// The products of the orders' lines and how many of each they hold together.
pub fn quantities<'a>(
    lines: impl IntoIterator<Item = &'a SnapshotLine>,
) -> std::collections::BTreeMap<ProductId, i64> {
    let mut quantities = std::collections::BTreeMap::new();
    for line in lines {
        *quantities.entry(line.product_id).or_insert(0) += i64::from(line.quantity);
    }
    quantities
}

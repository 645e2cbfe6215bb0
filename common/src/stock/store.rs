//! The rows of stock. Only this room writes them, by deltas, on rows that the caller's transaction locked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::Row as _;

use super::Shelf;
use crate::db::batch::{self, Locks, touched};
use crate::db::{Result, Tx};
use crate::id::ProductId;

crate::lock_by_id!(LOCK, LOCK_SKIP, "t.product_id, t.available", "stock", "product_id");

/// Locks the products' stock by ascending id and reads, without a lock, whether each is still sold.
/// With [`Locks::Skip`] rows that others hold are missing from the answer.
pub async fn lock(
    tx: &mut Tx<'_>,
    ids: &BTreeSet<ProductId>,
    locks: Locks,
) -> Result<BTreeMap<ProductId, Shelf>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = batch::ids(ids.iter().map(|id| id.uuid()));
    let rows = sqlx::query(locks.choose(LOCK, LOCK_SKIP)).bind(&ids).fetch_all(&mut **tx).await?;
    let mut shelves = BTreeMap::new();
    for row in &rows {
        let available = row.try_get("available")?;
        shelves.insert(row.try_get("product_id")?, Shelf { available, sold: true });
    }
    let gone: Vec<ProductId> = sqlx::query_scalar(
        "select p.id \
         from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join products p force index (primary) on p.id = unhex(j.id) \
         where p.deleted_at is not null",
    )
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    for id in gone {
        if let Some(shelf) = shelves.get_mut(&id) {
            shelf.sold = false;
        }
    }
    Ok(shelves)
}

#[derive(Serialize)]
struct DeltaJson {
    id: String,
    delta: i64,
}

/// Adds the deltas to the products' stock, which the caller has locked with [`lock`]. What would fall
/// below zero is refused by the table's own check.
pub async fn change(tx: &mut Tx<'_>, deltas: &BTreeMap<ProductId, i64>) -> Result<()> {
    let rows: Vec<_> = deltas
        .iter()
        .filter(|(_, delta)| **delta != 0)
        .map(|(id, delta)| DeltaJson { id: id.hex(), delta: *delta })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           delta bigint path '$.delta')) j \
         straight_join stock t force index (primary) on t.product_id = unhex(j.id) \
         set t.available = t.available + j.delta",
    )
    .bind(batch::json(&rows))
    .execute(&mut **tx)
    .await?;
    touched("change stock", rows.len(), &outcome)
}

//! The rows of `carts` and `cart_lines`.
//!
//! Lock order: the carts by ascending user id, then their lines by ascending product id. A cart's row
//! guards its lines: whoever holds it reads them without locks. In the pipeline carts come last.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checkout::SnapshotLine;
use crate::db::batch::{self, Locks};
use crate::db::{Error, Result, Tx};
use crate::id::{OrderId, ProductId, UserId};
use crate::money::MAX_QUANTITY;

/// A locked cart.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Head {
    /// Whose it is.
    pub user_id: UserId,
    /// Its version.
    pub version: i64,
    /// The order that its lines went to last.
    pub last_order: Option<OrderId>,
}

/// A stored line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// How many.
    pub quantity: u32,
    /// What one cost when the buyer set the line, in minor units.
    pub price: i64,
}

/// Which line of which cart.
pub type LineKey = (UserId, ProductId);

/// Makes the empty cart of a new account.
pub async fn insert(tx: &mut Tx<'_>, user_id: UserId) -> Result<()> {
    sqlx::query(
        "insert into carts (user_id, version, last_order) \
         values (?, 1, null)",
    )
    .bind(user_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

crate::lock_by_id!(LOCK, LOCK_SKIP, "t.user_id, t.version, t.last_order", "carts", "user_id");

/// Locks these users' carts, in the order of their ids; with [`Locks::Skip`] those that somebody else
/// holds are missing.
pub async fn lock(tx: &mut Tx<'_>, users: &[UserId], locks: Locks) -> Result<Vec<Head>> {
    let rows = sqlx::query_as(locks.choose(LOCK, LOCK_SKIP))
        .bind(batch::ids(users.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}

#[derive(Serialize)]
struct KeyRow {
    u: String,
    p: String,
}

const LINES: &str = "\
select t.user_id, t.product_id, t.quantity, t.price
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p')) j
straight_join cart_lines t on t.user_id = unhex(j.u) and t.product_id = unhex(j.p)";

/// Reads these lines of locked carts; absent ones are missing.
pub async fn lines(
    tx: &mut Tx<'_>,
    keys: impl IntoIterator<Item = &LineKey>,
) -> Result<BTreeMap<LineKey, Stored>> {
    let keys: Vec<_> = keys.into_iter().map(|(u, p)| KeyRow { u: u.hex(), p: p.hex() }).collect();
    let rows: Vec<(UserId, ProductId, i32, i64)> =
        sqlx::query_as(LINES).bind(batch::json(&keys)).fetch_all(&mut **tx).await?;
    rows.into_iter()
        .map(|(user, product, quantity, price)| {
            Ok(((user, product), Stored { quantity: quantity_of(quantity)?, price }))
        })
        .collect()
}

#[derive(Serialize)]
struct LineRow {
    u: String,
    p: String,
    quantity: u32,
    price: i64,
}

fn rows<'a>(lines: impl IntoIterator<Item = (&'a LineKey, &'a Stored)>) -> Vec<LineRow> {
    lines
        .into_iter()
        .map(|((u, p), line)| LineRow {
            u: u.hex(),
            p: p.hex(),
            quantity: line.quantity,
            price: line.price,
        })
        .collect()
}

const INSERT: &str = "\
insert into cart_lines (user_id, product_id, quantity, price, added_at)
select unhex(j.u), unhex(j.p), j.quantity, j.price, now(6)
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p',
  quantity int path '$.quantity',
  price bigint path '$.price')) j";

const UPDATE: &str = "\
update json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p',
  quantity int path '$.quantity',
  price bigint path '$.price')) j
straight_join cart_lines t on t.user_id = unhex(j.u) and t.product_id = unhex(j.p)
set t.quantity = j.quantity, t.price = j.price";

/// Writes lines of locked carts: those in `absent` are inserted, those in `present` replaced.
pub async fn save_lines(
    tx: &mut Tx<'_>,
    absent: &BTreeMap<LineKey, Stored>,
    present: &BTreeMap<LineKey, Stored>,
) -> Result<()> {
    if !absent.is_empty() {
        let outcome =
            sqlx::query(INSERT).bind(batch::json(&rows(absent))).execute(&mut **tx).await?;
        batch::touched("inserting cart lines", absent.len(), &outcome)?;
    }
    if !present.is_empty() {
        let outcome =
            sqlx::query(UPDATE).bind(batch::json(&rows(present))).execute(&mut **tx).await?;
        batch::touched("changing cart lines", present.len(), &outcome)?;
    }
    Ok(())
}

const RAISE: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join carts t on t.user_id = unhex(j.id)
set t.version = t.version + 1";

/// Puts lines of ended orders back into their buyers' carts, added to what is there. A buyer may be named
/// several times. A quantity stops at the most that a line holds; a cart may come to hold more lines
/// than a buyer can collect.
pub async fn put_back(tx: &mut Tx<'_>, lines: &[(UserId, Vec<SnapshotLine>)]) -> Result<()> {
    let returned = merge(lines);
    let users: Vec<UserId> = distinct(returned.keys().map(|(user, _)| *user));
    if users.is_empty() {
        return Ok(());
    }
    let heads = lock(tx, &users, Locks::Wait).await?;
    if heads.len() != users.len() {
        return Err(Error::Impossible("a buyer without a cart".to_owned()));
    }
    let there = self::lines(tx, returned.keys()).await?;
    let (mut absent, mut present) = (BTreeMap::new(), BTreeMap::new());
    for (key, line) in returned {
        match there.get(&key) {
            None => absent.insert(key, line),
            Some(old) => {
                present.insert(key, Stored { quantity: add(old.quantity, line.quantity), ..*old })
            }
        };
    }
    save_lines(tx, &absent, &present).await?;
    let outcome = sqlx::query(RAISE)
        .bind(batch::ids(users.iter().map(|id| id.uuid())))
        .execute(&mut **tx)
        .await?;
    batch::touched("raising the versions of carts", users.len(), &outcome)
}

fn merge(lines: &[(UserId, Vec<SnapshotLine>)]) -> BTreeMap<LineKey, Stored> {
    let mut merged: BTreeMap<LineKey, Stored> = BTreeMap::new();
    for (user, lines) in lines {
        for line in lines {
            merged
                .entry((*user, line.product_id))
                .and_modify(|there| there.quantity = add(there.quantity, line.quantity))
                .or_insert(Stored { quantity: line.quantity, price: line.price });
        }
    }
    merged
}

fn add(there: u32, more: u32) -> u32 {
    there.saturating_add(more).min(MAX_QUANTITY)
}

fn quantity_of(stored: i32) -> Result<u32> {
    u32::try_from(stored).map_err(|_| Error::Impossible(format!("a quantity of {stored}")))
}

fn distinct(sorted: impl Iterator<Item = UserId>) -> Vec<UserId> {
    let mut users: Vec<UserId> = sorted.collect();
    users.dedup();
    users
}

//! Carts as they became, and those that became orders.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cart::{Cart, Line, fold};
use crate::db::batch;
use crate::db::{Result, Tx};
use crate::id::{OrderId, ProductId, UserId};

#[derive(Debug, Serialize)]
pub(super) struct WrittenLine {
    pub(super) u: String,
    pub(super) p: String,
    pub(super) quantity: u32,
    pub(super) price: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

#[derive(Serialize)]
struct WrittenVersion {
    id: String,
    version: i64,
}

const VERSIONS: &str = "\
update json_table(?, '$[*]' columns (
  id char(32) character set ascii path '$.id',
  version bigint path '$.version')) j
straight_join carts t force index (primary) on t.user_id = unhex(j.id)
set t.version = j.version";

/// Writes what differs between locked carts as they are stored and as they became.
pub(in crate::cart) async fn save(
    tx: &mut Tx<'_>,
    stored: &BTreeMap<UserId, Cart>,
    now: &BTreeMap<UserId, Cart>,
) -> Result<()> {
    let (mut added, mut changed, mut removed, mut raised) = (vec![], vec![], vec![], vec![]);
    for (user, cart) in now {
        let Some(before) = stored.get(user).filter(|before| before.version != cart.version) else {
            continue;
        };
        raised.push(WrittenVersion { id: user.hex(), version: cart.version });
        let difference = fold::difference(before, cart);
        let written = |id: &ProductId, line: &Line| WrittenLine {
            u: user.hex(),
            p: id.hex(),
            quantity: line.quantity,
            price: line.seen_price,
            at: Some(batch::time(line.added_at)),
        };
        added.extend(difference.added.iter().map(|id| written(id, &cart.lines[id])));
        changed.extend(difference.changed.iter().map(|id| written(id, &cart.lines[id])));
        removed.extend(difference.removed.iter().map(|id| written(id, &before.lines[id])));
    }
    delete_lines(tx, &removed).await?;
    change_lines(tx, &changed).await?;
    insert_lines(tx, &added).await?;
    if raised.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(VERSIONS).bind(batch::json(&raised)).execute(&mut **tx).await?;
    batch::touched("raising the versions of carts", raised.len(), &outcome)
}

const DELETE: &str = "\
delete t
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.u) and t.product_id = unhex(j.p)";

async fn delete_lines(tx: &mut Tx<'_>, lines: &[WrittenLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(DELETE).bind(batch::json(lines)).execute(&mut **tx).await?;
    batch::touched("deleting cart lines", lines.len(), &outcome)
}

const INSERT: &str = "\
insert into cart_lines (user_id, product_id, quantity, price, added_at)
select unhex(j.u), unhex(j.p), j.quantity, j.price, coalesce(j.at, now(6))
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p',
  quantity int path '$.quantity',
  price bigint path '$.price',
  at char(26) character set ascii path '$.at')) j";

pub(super) async fn insert_lines(tx: &mut Tx<'_>, lines: &[WrittenLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(INSERT).bind(batch::json(lines)).execute(&mut **tx).await?;
    batch::touched("inserting cart lines", lines.len(), &outcome)
}

const CHANGE: &str = "\
update json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p',
  quantity int path '$.quantity',
  price bigint path '$.price',
  at char(26) character set ascii path '$.at')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.u) and t.product_id = unhex(j.p)
set t.quantity = j.quantity, t.price = j.price, t.added_at = coalesce(j.at, t.added_at)";

pub(super) async fn change_lines(tx: &mut Tx<'_>, lines: &[WrittenLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(CHANGE).bind(batch::json(lines)).execute(&mut **tx).await?;
    batch::touched("changing cart lines", lines.len(), &outcome)
}

#[derive(Serialize)]
struct Emptied {
    id: String,
    version: i64,
    last_order: String,
}

const EMPTY: &str = "\
delete t
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$.id')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.id)";

const ORDERED: &str = "\
update json_table(?, '$[*]' columns (
  id char(32) character set ascii path '$.id',
  version bigint path '$.version',
  last_order char(32) character set ascii path '$.last_order')) j
straight_join carts t force index (primary) on t.user_id = unhex(j.id)
set t.version = j.version, t.last_order = unhex(j.last_order)";

/// Empties locked carts that held `lines` lines together: they went to these orders. Each cart is named
/// once, with its version after that.
pub async fn empty(tx: &mut Tx<'_>, carts: &[(UserId, i64, OrderId)], lines: usize) -> Result<()> {
    if carts.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = carts
        .iter()
        .map(|(user, version, order)| Emptied {
            id: user.hex(),
            version: *version,
            last_order: order.hex(),
        })
        .collect();
    let rows_json = batch::json(&rows);
    let outcome = sqlx::query(EMPTY).bind(&rows_json).execute(&mut **tx).await?;
    batch::touched("emptying carts", lines, &outcome)?;
    let outcome = sqlx::query(ORDERED).bind(&rows_json).execute(&mut **tx).await?;
    batch::touched("noting the orders of carts", rows.len(), &outcome)
}

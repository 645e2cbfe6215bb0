//! Putting the lines of orders that ended without a sale back into their buyers' carts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::save::{WrittenLine, change_lines, insert_lines};
use super::{lock, quantity};
use crate::checkout::SnapshotLine;
use crate::db::batch::{self, Locks};
use crate::db::{Error, Result, Tx};
use crate::id::{ProductId, UserId};
use crate::money::MAX_QUANTITY;

type LineKey = (UserId, ProductId);

#[derive(Serialize)]
struct KeyRow {
    u: String,
    p: String,
}

const THERE: &str = "\
select t.user_id, t.product_id, t.quantity, t.price
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  p char(32) character set ascii path '$.p')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.u) and t.product_id = unhex(j.p)";

const RAISE: &str = "\
update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join carts t force index (primary) on t.user_id = unhex(j.id)
set t.version = t.version + 1";

/// Puts lines of ended orders back into their buyers' carts, added to what is there. A buyer may be named
/// several times. A quantity stops at the most that a line holds; a cart may come to hold more lines
/// than a buyer can collect.
pub async fn put_back(tx: &mut Tx<'_>, lines: &[(UserId, Vec<SnapshotLine>)]) -> Result<()> {
    let returned = merge(lines);
    let users: BTreeSet<UserId> = returned.keys().map(|(user, _)| *user).collect();
    if users.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> = users.into_iter().collect();
    if lock(tx, &users, Locks::Wait).await?.len() != users.len() {
        return Err(Error::Impossible("a buyer without a cart".to_owned()));
    }
    let keys: Vec<_> = returned.keys().map(|(u, p)| KeyRow { u: u.hex(), p: p.hex() }).collect();
    let there: Vec<(UserId, ProductId, i32, i64)> =
        sqlx::query_as(THERE).bind(batch::json(&keys)).fetch_all(&mut **tx).await?;
    let there: BTreeMap<LineKey, (i32, i64)> = there
        .into_iter()
        .map(|(user, product, quantity, price)| ((user, product), (quantity, price)))
        .collect();
    let (mut absent, mut present) = (Vec::new(), Vec::new());
    for ((user, product), (returned, price)) in returned {
        let line = |quantity, price| WrittenLine {
            u: user.hex(),
            p: product.hex(),
            quantity,
            price,
            at: None,
        };
        match there.get(&(user, product)) {
            None => absent.push(line(returned, price)),
            Some((stored, price)) => present.push(line(add(quantity(*stored)?, returned), *price)),
        }
    }
    insert_lines(tx, &absent).await?;
    change_lines(tx, &present).await?;
    let outcome = sqlx::query(RAISE)
        .bind(batch::ids(users.iter().map(|id| id.uuid())))
        .execute(&mut **tx)
        .await?;
    batch::touched("raising the versions of carts", users.len(), &outcome)
}

fn merge(lines: &[(UserId, Vec<SnapshotLine>)]) -> BTreeMap<LineKey, (u32, i64)> {
    let mut merged: BTreeMap<LineKey, (u32, i64)> = BTreeMap::new();
    for (user, lines) in lines {
        for line in lines {
            merged
                .entry((*user, line.product_id))
                .and_modify(|(quantity, _)| *quantity = add(*quantity, line.quantity))
                .or_insert((line.quantity.min(MAX_QUANTITY), line.price));
        }
    }
    merged
}

fn add(there: u32, more: u32) -> u32 {
    there.saturating_add(more).min(MAX_QUANTITY)
}

//! The rows of `carts` and `cart_lines`.
//!
//! Lock order: the carts by ascending user id, then their lines by ascending product id. A cart's row
//! guards its lines: whoever holds it reads them without locks. In the pipeline carts come last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use super::write::BATCH_LINES;
use super::{Cart, Facts, Line, fold};
use crate::db::batch::{self, Locks};
use crate::db::{Error, Result, Tx};
use crate::id::{OrderId, ProductId, UserId};

mod put_back;
mod save;

pub use put_back::put_back;
pub use save::empty;
pub(super) use save::save;

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

/// Locks those of these users' carts that nobody else holds, and answers whose somebody does.
pub async fn held(tx: &mut Tx<'_>, users: BTreeSet<UserId>) -> Result<BTreeSet<UserId>> {
    if users.is_empty() {
        return Ok(users);
    }
    let ids: Vec<UserId> = users.iter().copied().collect();
    let locked = lock(tx, &ids, Locks::Skip).await?;
    let locked: BTreeSet<UserId> = locked.iter().map(|head| head.user_id).collect();
    Ok(&users - &locked)
}

const SIZES: &str = "\
select t.user_id, count(*)
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.id)
group by t.user_id";

/// Which of the locked carts one transaction takes: in the order of `users`, while their lines together
/// stay under the limit of a batch. The first is always among them.
pub async fn fitting(
    tx: &mut Tx<'_>,
    users: &[UserId],
    heads: &BTreeMap<UserId, Head>,
) -> Result<BTreeSet<UserId>> {
    let sizes: Vec<(UserId, i64)> = sqlx::query_as(SIZES)
        .bind(batch::ids(heads.keys().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    let sizes: BTreeMap<_, _> = sizes.into_iter().collect();
    let (mut taken, mut room) = (BTreeSet::new(), BATCH_LINES);
    for user in users.iter().filter(|user| heads.contains_key(user)) {
        let size = sizes.get(user).map_or(0, |size| usize::try_from(*size).unwrap_or(usize::MAX));
        if !taken.contains(user) && (taken.is_empty() || size <= room) {
            room = room.saturating_sub(size);
            taken.insert(*user);
        }
    }
    Ok(taken)
}

#[derive(sqlx::FromRow)]
struct LineRow {
    user_id: UserId,
    product_id: ProductId,
    quantity: i32,
    seen_price: i64,
    added_at: DateTime<Utc>,
    sku: String,
    name: String,
    price: i64,
    available: i64,
    sold: i64,
}

impl LineRow {
    fn line(self) -> Result<Line> {
        let product = Arc::new(Facts {
            sku: self.sku,
            name: self.name,
            price: self.price,
            available: self.available,
            sold: self.sold == 1,
        });
        Ok(Line {
            quantity: quantity(self.quantity)?,
            seen_price: self.seen_price,
            added_at: self.added_at,
            product,
        })
    }
}

const OPEN: &str = "\
select t.user_id, t.product_id, t.quantity, t.price as seen_price, t.added_at,
  p.sku, p.name, p.price, coalesce(s.available, 0) as available, p.deleted_at is null as sold
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join cart_lines t force index (primary) on t.user_id = unhex(j.id)
straight_join products p force index (primary) on p.id = t.product_id
left join stock s on s.product_id = t.product_id";

/// Reads those of the locked carts that were taken, with their lines and the products as they are now.
pub async fn open(
    tx: &mut Tx<'_>,
    heads: &BTreeMap<UserId, Head>,
    taken: &BTreeSet<UserId>,
) -> Result<BTreeMap<UserId, Cart>> {
    let rows: Vec<LineRow> = sqlx::query_as(OPEN)
        .bind(batch::ids(taken.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    let mut carts: BTreeMap<UserId, Cart> = heads
        .values()
        .filter(|head| taken.contains(&head.user_id))
        .map(|head| {
            let (version, last_order) = (head.version, head.last_order);
            (head.user_id, Cart { version, last_order, lines: BTreeMap::new() })
        })
        .collect();
    for row in rows {
        let (user, product) = (row.user_id, row.product_id);
        if let Some(cart) = carts.get_mut(&user) {
            cart.lines.insert(product, row.line()?);
        }
    }
    Ok(carts)
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    id: ProductId,
    sku: String,
    name: String,
    price: i64,
    available: i64,
    sold: i64,
}

const FACTS: &str = "\
select p.id, p.sku, p.name, p.price, coalesce(s.available, 0) as available,
  p.deleted_at is null as sold
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join products p force index (primary) on p.id = unhex(j.id)
left join stock s on s.product_id = p.id";

/// These products as they are now, without locks; what does not exist is missing.
pub(super) async fn facts(
    tx: &mut Tx<'_>,
    products: &BTreeSet<ProductId>,
) -> Result<fold::Catalogue> {
    let rows: Vec<FactsRow> = sqlx::query_as(FACTS)
        .bind(batch::ids(products.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    let facts = |row: FactsRow| {
        let FactsRow { id, sku, name, price, available, sold } = row;
        (id, Arc::new(Facts { sku, name, price, available, sold: sold == 1 }))
    };
    Ok(rows.into_iter().map(facts).collect())
}

#[derive(sqlx::FromRow)]
struct ShownRow {
    version: i64,
    last_order: Option<OrderId>,
    product_id: Option<ProductId>,
    quantity: Option<i32>,
    seen_price: Option<i64>,
    added_at: Option<DateTime<Utc>>,
    sku: Option<String>,
    name: Option<String>,
    price: Option<i64>,
    available: i64,
    sold: i64,
}

const SHOW: &str = "\
select c.version, c.last_order, t.product_id, t.quantity, t.price as seen_price, t.added_at,
  p.sku, p.name, p.price, coalesce(s.available, 0) as available, p.deleted_at is null as sold
from carts c
left join cart_lines t on t.user_id = c.user_id
left join products p on p.id = t.product_id
left join stock s on s.product_id = t.product_id
where c.user_id = ?";

/// The user's cart; one statement, so that its version and its lines belong together.
pub async fn get(conn: &mut MySqlConnection, user: UserId) -> Result<Cart> {
    let rows: Vec<ShownRow> = sqlx::query_as(SHOW).bind(user).fetch_all(conn).await?;
    let first = rows.first();
    let first = first.ok_or_else(|| Error::Impossible("an account without a cart".to_owned()))?;
    let mut cart =
        Cart { version: first.version, last_order: first.last_order, lines: BTreeMap::new() };
    for row in rows {
        let Some(product_id) = row.product_id else { continue };
        let (Some(stored), Some(seen_price), Some(added_at), Some(sku), Some(name), Some(price)) =
            (row.quantity, row.seen_price, row.added_at, row.sku, row.name, row.price)
        else {
            return Err(Error::Impossible(format!("a cart line of no product {product_id}")));
        };
        let (available, sold) = (row.available, row.sold == 1);
        let product = Arc::new(Facts { sku, name, price, available, sold });
        let line = Line { quantity: quantity(stored)?, seen_price, added_at, product };
        cart.lines.insert(product_id, line);
    }
    Ok(cart)
}

fn quantity(stored: i32) -> Result<u32> {
    u32::try_from(stored).map_err(|_| Error::Impossible(format!("a quantity of {stored}")))
}

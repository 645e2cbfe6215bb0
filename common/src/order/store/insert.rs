//! New orders with their lines and the beginnings of their histories.

use serde::Serialize;

use super::{HistoryJson, NewOrder, insert_history};
use crate::db::batch::{self, touched};
use crate::db::{Result, Tx};
use crate::order::Status;

#[derive(Serialize)]
struct OrderJson {
    id: String,
    user_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortfall: Option<String>,
    total: i64,
    at: String,
}

#[derive(Serialize)]
struct LineJson<'a> {
    order_id: String,
    product_id: String,
    sku: &'a str,
    name: &'a str,
    quantity: u32,
    price: i64,
}

/// Creates the orders with their lines and the first two entries of their histories.
pub async fn insert(tx: &mut Tx<'_>, orders: &[NewOrder<'_>]) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = orders
        .iter()
        .map(|order| OrderJson {
            id: order.id.hex(),
            user_id: order.user_id.uuid().simple().to_string(),
            status: order.status.as_str(),
            reason: order.reason,
            shortfall: order.shortfall.clone(),
            total: order.total,
            at: batch::time(order.at),
        })
        .collect();
    let outcome = sqlx::query(
        "insert into orders (id, user_id, status, reason, shortfall, total, version, created_at, updated_at) \
         select unhex(j.id), unhex(j.user_id), j.status, j.reason, j.shortfall, j.total, 2, j.at, j.at \
         from json_table(?, '$[*]' columns ( \
           id char(32) character set ascii path '$.id', \
           user_id char(32) character set ascii path '$.user_id', \
           status varchar(16) character set ascii collate ascii_bin path '$.status', \
           reason varchar(32) character set ascii collate ascii_bin path '$.reason', \
           shortfall mediumtext character set utf8mb4 collate utf8mb4_bin path '$.shortfall', \
           total bigint path '$.total', \
           at char(26) character set ascii path '$.at')) j",
    )
    .bind(batch::json(&rows))
    .execute(&mut **tx)
    .await?;
    touched("insert orders", rows.len(), &outcome)?;
    insert_lines(tx, orders).await?;
    let history: Vec<_> = orders.iter().flat_map(first_entries).collect();
    insert_history(tx, &history).await
}

fn first_entries<'a>(order: &NewOrder<'a>) -> [HistoryJson<'a>; 2] {
    let entry = |version, status: Status, actor, reason, at| HistoryJson {
        order_id: order.id.hex(),
        version,
        status: status.as_str(),
        event: status.as_str(),
        actor,
        reason,
        at: batch::time(at),
    };
    [
        entry(1, Status::Accepted, "buyer", None, order.accepted_at),
        entry(2, order.status, order.actor, order.note.or(order.reason), order.at),
    ]
}

async fn insert_lines(tx: &mut Tx<'_>, orders: &[NewOrder<'_>]) -> Result<()> {
    let rows: Vec<_> = orders
        .iter()
        .flat_map(|order| {
            order.lines.iter().map(|line| LineJson {
                order_id: order.id.hex(),
                product_id: line.product_id.hex(),
                sku: &line.sku,
                name: &line.name,
                quantity: line.quantity,
                price: line.price,
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(
        "insert into order_lines (order_id, product_id, sku, name, quantity, price) \
         select unhex(j.order_id), unhex(j.product_id), j.sku, j.name, j.quantity, j.price \
         from json_table(?, '$[*]' columns ( \
           order_id char(32) character set ascii path '$.order_id', \
           product_id char(32) character set ascii path '$.product_id', \
           sku varchar(64) character set ascii collate ascii_bin path '$.sku', \
           name varchar(200) character set utf8mb4 collate utf8mb4_general_ci path '$.name', \
           quantity int path '$.quantity', \
           price bigint path '$.price')) j",
    )
    .bind(batch::json(&rows))
    .execute(&mut **tx)
    .await?;
    touched("insert order lines", rows.len(), &outcome)
}

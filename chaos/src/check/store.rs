//! What the database says, read past everything of ours that could be wrong about it.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use anyhow::Result;
use futures::TryStreamExt as _;
use ordermill_common::db::Db;
use ordermill_common::id::{OrderId, PaymentId};
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::types::chrono::{DateTime, Utc};

/// A row that a check of its table forbids: to MariaDB, and to MySQL.
const CHECK_VIOLATED: [u16; 2] = [4025, 3819];

/// A checkout and what became of it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) order_id: OrderId,
    pub(super) email: String,
    /// `h:` and the client's key, or `c:` and the cart's version.
    pub(super) idempotency_key: String,
    /// What it was to buy, as JSON.
    pub(super) lines: String,
    pub(super) status: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) payment_id: Option<PaymentId>,
}

/// Every checkout.
pub(super) async fn rows(db: &Db) -> Result<Vec<Row>> {
    Ok(sqlx::query_as(
        "select c.order_id, u.email, c.idempotency_key, c.`lines`, o.status, o.reason, p.id as payment_id \
         from checkouts c \
         join users u on u.id = c.user_id \
         left join orders o on o.id = c.order_id \
         left join payments p on p.order_id = c.order_id",
    )
    .fetch_all(db.pool())
    .await?)
}

/// A dead letter.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Letter {
    pub(super) message_id: Option<String>,
    pub(super) order_id: Option<OrderId>,
    pub(super) source: String,
    pub(super) reason: String,
    pub(super) state: String,
    pub(super) died_at: DateTime<Utc>,
}

/// Every dead letter.
pub(super) async fn letters(db: &Db) -> Result<Vec<Letter>> {
    let letters = "select message_id, order_id, source, reason, state, died_at from dead_letters";
    Ok(sqlx::query_as(letters).fetch_all(db.pool()).await?)
}

/// An entry of an order's history.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) version: i64,
    pub(super) status: String,
}

/// The history of every order, from its first entry on.
pub(super) async fn histories(db: &Db) -> Result<HashMap<String, Vec<Step>>> {
    let mut histories = HashMap::<String, Vec<Step>>::new();
    let entries = "select order_id, version, status from order_history order by order_id, version";
    let mut rows = sqlx::query_as::<_, (OrderId, i64, String)>(entries).fetch(db.pool());
    while let Some((order, version, status)) = rows.try_next().await? {
        histories.entry(order.to_string()).or_default().push(Step { version, status });
    }
    Ok(histories)
}

/// Orders that somebody wished to cancel.
pub(super) async fn wished(db: &Db) -> Result<BTreeSet<String>> {
    let orders: Vec<OrderId> =
        sqlx::query_scalar("select order_id from cancellations").fetch_all(db.pool()).await?;
    Ok(orders.iter().map(OrderId::to_string).collect())
}

/// Whether the database itself refuses a stock below zero: then there was none at any moment. Any other refusal
/// tells nothing.
pub(super) async fn refuses_less_than_nothing(db: &Db) -> Result<bool> {
    let mut tx = db.pool().begin().await?;
    let taken = sqlx::query("update stock set available = -1 limit 1").execute(&mut *tx).await;
    tx.rollback().await?;
    let Err(error) = taken else { return Ok(false) };
    let refusal = error.as_database_error();
    let refusal = refusal.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    if refusal.is_some_and(|error| CHECK_VIOLATED.contains(&error.number())) {
        return Ok(true);
    }
    Err(error.into())
}

/// How many rows are in the outbox, and how many products have less than nothing.
pub(super) async fn leftovers(db: &Db) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "select cast((select count(*) from outbox) as signed), \
           cast((select count(*) from stock where available < 0) as signed)",
    )
    .fetch_one(db.pool())
    .await?)
}

/// Writes every row of every table, one JSON object a line; binary columns in hex.
pub(super) async fn dump(db: &Db, mut to: impl Write) -> Result<()> {
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "select cast(table_name as char), cast(column_name as char), cast(data_type as char) \
         from information_schema.columns \
         where table_schema = database() \
         order by table_name, ordinal_position",
    )
    .fetch_all(db.pool())
    .await?;
    for table in columns.chunk_by(|one, other| one.0 == other.0) {
        let name = &table[0].0;
        let fields: Vec<String> = table
            .iter()
            .map(|(_, column, kind)| match kind.as_str() {
                "binary" | "mediumblob" | "blob" | "varbinary" => {
                    format!("'{column}', hex(`{column}`)")
                }
                _ => format!("'{column}', `{column}`"),
            })
            .collect();
        let select =
            format!("select cast(json_object({}) as char) from `{name}`", fields.join(", "));
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(db.pool()).await?;
        for row in rows {
            writeln!(to, "{name} {row}")?;
        }
    }
    to.flush()?;
    Ok(())
}

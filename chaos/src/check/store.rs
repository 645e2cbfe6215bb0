//! What the database says, read past everything of ours that could be wrong about it.

use std::io::Write;

use anyhow::Result;
use ordermill_common::db::Db;
use ordermill_common::id::{OrderId, PaymentId};
use sqlx::AssertSqlSafe;

/// A checkout and what became of it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) order_id: OrderId,
    pub(super) email: String,
    /// `h:` and the client's key, or `c:` and the cart's version.
    pub(super) idempotency_key: String,
    pub(super) status: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) payment_id: Option<PaymentId>,
}

/// Every checkout.
pub(super) async fn rows(db: &Db) -> Result<Vec<Row>> {
    Ok(sqlx::query_as(
        "select c.order_id, u.email, c.idempotency_key, o.status, o.reason, p.id as payment_id \
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
}

/// Every dead letter.
pub(super) async fn letters(db: &Db) -> Result<Vec<Letter>> {
    let letters = "select message_id, order_id, source, reason from dead_letters";
    Ok(sqlx::query_as(letters).fetch_all(db.pool()).await?)
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
    Ok(())
}

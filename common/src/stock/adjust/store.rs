//! The statements of `stock_ledger`, and those of `stock` that concern one product. A row of `stock`
//! is the only lock; the ledger is only inserted.

use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlExecutor;

use super::{Adjustment, Units};
use crate::db::batch::touched;
use crate::db::{Result, Tx};
use crate::id::{AdjustmentId, ProductId, UserId};
use crate::page::{Limit, Page};

/// Makes the stock of a new product.
pub async fn insert(tx: &mut Tx<'_>, product_id: ProductId, units: Units) -> Result<()> {
    sqlx::query(
        "insert into stock (product_id, available) \
         values (?, ?)",
    )
    .bind(product_id)
    .bind(units.count())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks the product's stock and answers what is left.
pub async fn lock(tx: &mut Tx<'_>, product_id: ProductId) -> Result<Option<i64>> {
    let available = sqlx::query_scalar(
        "select available \
         from stock \
         where product_id = ? \
         for update",
    )
    .bind(product_id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(available)
}

/// Moves a locked stock; below zero it touches nothing, which is an error.
pub async fn change(tx: &mut Tx<'_>, product_id: ProductId, delta: i64) -> Result<()> {
    let outcome = sqlx::query(
        "update stock \
         set available = available + ? \
         where product_id = ? and available + ? >= 0",
    )
    .bind(delta)
    .bind(product_id)
    .bind(delta)
    .execute(&mut **tx)
    .await?;
    touched("adjusting a stock", 1, &outcome)
}

/// Whether the ledger has this row.
pub async fn exists(tx: &mut Tx<'_>, id: AdjustmentId) -> Result<bool> {
    let found: Option<AdjustmentId> = sqlx::query_scalar(
        "select id \
         from stock_ledger \
         where id = ?",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}

/// Writes the row.
pub async fn insert_row(tx: &mut Tx<'_>, adjustment: &Adjustment) -> Result<()> {
    sqlx::query(
        "insert into stock_ledger (id, product_id, delta, reason, adjusted_by, adjusted_at) \
         values (?, ?, ?, ?, ?, ?)",
    )
    .bind(adjustment.id)
    .bind(adjustment.product_id)
    .bind(adjustment.delta)
    .bind(&adjustment.reason)
    .bind(adjustment.by)
    .bind(adjustment.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The product's ledger, the last row first, from the one before `before`.
pub async fn page(
    from: impl MySqlExecutor<'_>,
    product_id: ProductId,
    before: Option<AdjustmentId>,
    limit: Limit,
) -> Result<Page<Adjustment>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, product_id, delta, reason, adjusted_by, adjusted_at \
         from stock_ledger \
         where product_id = ? and id < ? \
         order by id desc \
         limit ?",
    )
    .bind(product_id)
    .bind(before.map_or([0xff; 16], |id| *id.uuid().as_bytes()).to_vec())
    .bind(limit.read())
    .fetch_all(from)
    .await?;
    Ok(Page::cut(rows.into_iter().map(Row::read).collect(), limit))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: AdjustmentId,
    product_id: ProductId,
    delta: i64,
    reason: String,
    adjusted_by: Option<UserId>,
    adjusted_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> Adjustment {
        Adjustment {
            id: self.id,
            product_id: self.product_id,
            delta: self.delta,
            reason: self.reason,
            by: self.adjusted_by,
            at: self.adjusted_at,
        }
    }
}

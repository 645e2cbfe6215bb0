//! The statements of the table `products`. Reads join `stock`, whose row is made with the product.
//!
//! Lock order: an edit locks its product's row alone.

use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlExecutor;

use super::{Edit, NewProduct, Product};
use crate::db::batch::touched;
use crate::db::{Result, Tx};
use crate::id::ProductId;

/// Writes the product. A taken SKU is an error of the kind [`Trouble::Duplicate`](crate::db::Trouble).
pub async fn insert(tx: &mut Tx<'_>, new: &NewProduct) -> Result<()> {
    sqlx::query(
        "insert into products \
         (id, sku, name, description, price, version, created_at, updated_at, deleted_at) \
         values (?, ?, ?, ?, ?, 1, ?, ?, null)",
    )
    .bind(new.id)
    .bind(new.sku.as_str())
    .bind(new.edit.name.as_str())
    .bind(new.edit.description.as_str())
    .bind(new.edit.price.amount())
    .bind(new.edit.at)
    .bind(new.edit.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The product, deleted or not.
pub async fn find(from: impl MySqlExecutor<'_>, id: ProductId) -> Result<Option<Product>> {
    let product = sqlx::query_as(
        "select p.id, p.sku, p.name, p.description, p.price, p.version, s.available, \
         p.created_at, p.updated_at, p.deleted_at \
         from products p \
         join stock s on s.product_id = p.id \
         where p.id = ?",
    )
    .bind(id)
    .fetch_optional(from)
    .await?;
    Ok(product)
}

/// Whose SKU it is, deleted or not.
pub async fn find_by_sku(from: impl MySqlExecutor<'_>, sku: &str) -> Result<Option<ProductId>> {
    let id = sqlx::query_scalar(
        "select id \
         from products \
         where sku = ?",
    )
    .bind(sku)
    .fetch_optional(from)
    .await?;
    Ok(id)
}

/// Locks the product and answers its version and when it was last edited.
pub async fn lock(tx: &mut Tx<'_>, id: ProductId) -> Result<Option<(i64, DateTime<Utc>)>> {
    let row = sqlx::query_as(
        "select version, updated_at \
         from products \
         where id = ? \
         for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Edits a locked product.
pub async fn save(tx: &mut Tx<'_>, id: ProductId, edit: &Edit) -> Result<()> {
    let outcome = sqlx::query(
        "update products \
         set name = ?, description = ?, price = ?, version = version + 1, updated_at = ? \
         where id = ?",
    )
    .bind(edit.name.as_str())
    .bind(edit.description.as_str())
    .bind(edit.price.amount())
    .bind(edit.at)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    touched("editing a product", 1, &outcome)
}

/// Takes the product from sale, unless it is already.
pub async fn delete(tx: &mut Tx<'_>, id: ProductId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "update products \
         set deleted_at = ?, version = version + 1, updated_at = ? \
         where id = ? and deleted_at is null",
    )
    .bind(at)
    .bind(at)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts the product back on sale, unless it is.
pub async fn restore(tx: &mut Tx<'_>, id: ProductId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "update products \
         set deleted_at = null, version = version + 1, updated_at = ? \
         where id = ? and deleted_at is not null",
    )
    .bind(at)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

//! The catalogue: what can be bought, under which code, at which price.
//!
//! A deleted product keeps its row, because orders name it and it can come back; the public never sees
//! it. How many are left is the stock's (`crate::stock`), so that an edit never waits for a sale; an
//! edit raises the version, a sale does not.

mod edit;
mod fields;
pub mod search;
pub mod store;

use chrono::{DateTime, Utc};

pub use edit::{Created, Edit, Edited, Expected, NewProduct, create, delete, restore, update};
pub use fields::{BadField, Description, Name, Price, Sku};

use crate::id::ProductId;

/// A product as it stands, with what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Minor units for one.
    pub price: i64,
    /// Grows with every edit.
    pub version: i64,
    /// How many can still be taken.
    pub available: i64,
    /// Since when it exists.
    pub created_at: DateTime<Utc>,
    /// When it was last edited.
    pub updated_at: DateTime<Utc>,
    /// Since when it is not for sale.
    pub deleted_at: Option<DateTime<Utc>>,
}

//! What admins do to the catalogue. Each is one transaction that may run again: an edit that is found
//! written by an earlier run counts as done.

use chrono::{DateTime, Utc};
use futures::FutureExt as _;

use super::{Description, Name, Price, Product, Sku, store};
use crate::db::{Db, Error, Result, Trouble, Tx};
use crate::id::{AdjustmentId, ProductId, UserId};
use crate::stock::adjust;

/// Why the first row of a product's ledger is there.
const INITIAL: &str = "initial stock";

/// The fields that can be edited.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Its name from now on.
    pub name: Name,
    /// Its description from now on.
    pub description: Description,
    /// Its price from now on; what was accepted keeps its own.
    pub price: Price,
    /// When.
    pub at: DateTime<Utc>,
}

/// A product that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// Its id.
    pub id: ProductId,
    /// Its code, for good.
    pub sku: Sku,
    /// The rest.
    pub edit: Edit,
    /// How many there are.
    pub stock: adjust::Units,
    /// Who makes it; nobody when it is seeded.
    pub by: Option<UserId>,
}

/// Which versions an edit may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Expected {
    /// Whether this version may be replaced.
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// What became of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// It exists now.
    Done(Product),
    /// Another product has this SKU; nothing was written.
    SkuTaken,
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Edited {
    /// As it stands now.
    Done(Product),
    /// There is no such product.
    Missing,
    /// Somebody else edited it in between; nothing was written.
    Stale {
        /// The version that it has.
        version: i64,
    },
}

/// Writes the product, its stock and the first row of its ledger.
pub async fn create(db: &Db, new: NewProduct) -> Result<Created> {
    db.write(move |tx| {
        let new = new.clone();
        async move { create_in(tx, &new).await }.boxed()
    })
    .await
}

async fn create_in(tx: &mut Tx<'_>, new: &NewProduct) -> Result<Created> {
    match store::insert(tx, new).await {
        Ok(()) => {
            adjust::store::insert(tx, new.id, new.stock).await?;
            let first = adjust::Adjustment {
                id: AdjustmentId::mint(),
                product_id: new.id,
                delta: new.stock.count(),
                reason: INITIAL.to_owned(),
                by: new.by,
                at: new.edit.at,
            };
            adjust::store::insert_row(tx, &first).await?;
        }
        Err(error) if error.trouble() == Trouble::Duplicate => {
            if store::find_by_sku(&mut **tx, new.sku.as_str()).await? != Some(new.id) {
                return Ok(Created::SkuTaken);
            }
        }
        Err(error) => return Err(error),
    }
    Ok(Created::Done(there(tx, new.id).await?))
}

/// Replaces the fields if the version is an expected one.
pub async fn update(db: &Db, id: ProductId, expected: Expected, edit: Edit) -> Result<Edited> {
    db.write(move |tx| {
        let (expected, edit) = (expected.clone(), edit.clone());
        async move {
            let Some((version, edited_at)) = store::lock(tx, id).await? else {
                return Ok(Edited::Missing);
            };
            let before = edited_at == edit.at && expected.allows(version - 1);
            if !before && !expected.allows(version) {
                return Ok(Edited::Stale { version });
            }
            if !before {
                store::save(tx, id, &edit).await?;
            }
            Ok(Edited::Done(there(tx, id).await?))
        }
        .boxed()
    })
    .await
}

/// Takes the product from sale; a second time changes nothing. `None` when there is no such product.
pub async fn delete(db: &Db, id: ProductId, at: DateTime<Utc>) -> Result<Option<Product>> {
    db.write(move |tx| {
        async move {
            store::delete(tx, id, at).await?;
            store::find(&mut **tx, id).await
        }
        .boxed()
    })
    .await
}

/// Puts the product back on sale; a second time changes nothing. `None` when there is no such product.
pub async fn restore(db: &Db, id: ProductId, at: DateTime<Utc>) -> Result<Option<Product>> {
    db.write(move |tx| {
        async move {
            store::restore(tx, id, at).await?;
            store::find(&mut **tx, id).await
        }
        .boxed()
    })
    .await
}

async fn there(tx: &mut Tx<'_>, id: ProductId) -> Result<Product> {
    let found = store::find(&mut **tx, id).await?;
    found.ok_or_else(|| Error::Impossible(format!("{id} has no stock")))
}

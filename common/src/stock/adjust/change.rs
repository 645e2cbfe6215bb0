//! Moves the stock of one product by a delta, never below zero.

use futures::FutureExt as _;

use super::{Adjustment, store};
use crate::db::{Db, Result, Tx};

/// What became of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Adjusted {
    /// So many can be taken now.
    Done {
        /// What is left.
        available: i64,
    },
    /// There is no such product.
    Missing,
    /// Only so many can be taken; nothing was written.
    Insufficient {
        /// What is left.
        available: i64,
    },
}

/// Moves the stock and writes the ledger's row. An adjustment that is found in the ledger was done by an
/// earlier run, and is not done twice.
pub async fn adjust(db: &Db, adjustment: Adjustment) -> Result<Adjusted> {
    db.write(move |tx| {
        let adjustment = adjustment.clone();
        async move { adjust_in(tx, &adjustment).await }.boxed()
    })
    .await
}

async fn adjust_in(tx: &mut Tx<'_>, adjustment: &Adjustment) -> Result<Adjusted> {
    let Some(available) = store::lock(tx, adjustment.product_id).await? else {
        return Ok(Adjusted::Missing);
    };
    if store::exists(tx, adjustment.id).await? {
        return Ok(Adjusted::Done { available });
    }
    let after = available.saturating_add(adjustment.delta);
    if after < 0 {
        return Ok(Adjusted::Insufficient { available });
    }
    store::change(tx, adjustment.product_id, adjustment.delta).await?;
    store::insert_row(tx, adjustment).await?;
    Ok(Adjusted::Done { available: after })
}

//! `ordermill-worker republish`: everything unfinished is woken now. For after a queue was purged or a
//! broker was lost; doing it twice, or with nothing to do, harms nothing.

use ordermill_common::db::{Db, Result};
use ordermill_common::{cancellation, checkout, payment};

/// How many rows were woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Woken {
    /// Checkouts that nobody has consumed.
    pub checkouts: u64,
    /// Payments without an end.
    pub payments: u64,
    /// Cancellations without a decision.
    pub cancellations: u64,
}

/// Sets the wake-up of everything unfinished to now; the sweep of a running worker does the rest.
pub async fn republish(db: &Db) -> Result<Woken> {
    let mut conn = db.connect().await?;
    Ok(Woken {
        checkouts: checkout::store::wake_all_unfinished(&mut conn).await?,
        payments: payment::store::wake_all_unfinished(&mut conn).await?,
        cancellations: cancellation::store::wake_all_unfinished(&mut conn).await?,
    })
}

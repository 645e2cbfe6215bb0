//! A checkout that cannot be made an order ends all the same: after eight failures within 45 seconds it
//! becomes an order that is rejected, and a dead letter says why.

use std::time::Duration;

use ordermill_common::broker::Kind;
use ordermill_common::cart;
use ordermill_common::checkout::{self, snapshot};
use ordermill_common::db::batch::Locks;
use ordermill_common::db::{Db, Error, Result};
use ordermill_common::log::chain;
use ordermill_common::order::store::NewOrder;
use ordermill_common::order::{self, Status};
use sqlx::MySqlConnection;

use super::{Reserved, Wake};
use crate::letters;

const MOST_ATTEMPTS: u32 = 8;
/// After the first seven failures; 31 seconds together.
const PAUSES: [u64; 7] = [1, 1, 2, 4, 7, 8, 8];

/// Counts the failure and sets the next wake-up, or ends the order.
pub(super) async fn note_failure(
    db: &Db,
    conn: &mut MySqlConnection,
    wake: &Wake,
    error: &Error,
) -> Result<Reserved> {
    let attempts = checkout::store::raise_attempts(conn, wake.order_id, pause(0)).await?;
    if attempts < MOST_ATTEMPTS {
        let pause = pause(attempts.saturating_sub(1));
        checkout::store::put_off(conn, &[wake.order_id], pause).await?;
        return Ok(Reserved::PutOff);
    }
    let why = chain(error);
    for with_cart in [true, false] {
        match reject(db, *wake, why.clone(), with_cart).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tracing::error!(order.id = %wake.order_id, error = %chain(&error), "cannot reject an order");
            }
        }
    }
    Ok(Reserved::PutOff)
}

fn pause(failures: u32) -> Duration {
    let place = usize::try_from(failures).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
    Duration::from_secs(PAUSES[place])
}

/// Lock order: the checkout, then the cart. The lines go back into the cart unless that is what fails.
async fn reject(db: &Db, wake: Wake, why: String, with_cart: bool) -> Result<Reserved> {
    db.write(move |tx| {
        let why = why.clone();
        Box::pin(async move {
            let checkouts = checkout::store::lock(tx, &[wake.order_id], Locks::Wait).await?;
            let Some(checkout) = checkouts.first().filter(|checkout| !checkout.consumed) else {
                return Ok(Reserved::PutOff);
            };
            let lines = snapshot::read(&checkout.lines).unwrap_or_default();
            let order = NewOrder {
                id: checkout.order_id,
                user_id: checkout.user_id,
                status: Status::Rejected,
                reason: Some("internal"),
                shortfall: None,
                lines: &lines,
                total: checkout.total,
                accepted_at: checkout.accepted_at,
                actor: "worker",
                note: None,
                at: wake.at,
            };
            order::store::insert(tx, &[order]).await?;
            checkout::store::consume(tx, &[checkout.order_id]).await?;
            if with_cart {
                cart::store::put_back(tx, &[(checkout.user_id, lines)]).await?;
            }
            letters::record(tx, (Kind::OrderCheckoutV1, wake.order_id), "reserve", &why).await?;
            Ok(Reserved::Ended(Status::Rejected))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_failures_fit_into_45_seconds() {
        let pauses: Duration = (0..MOST_ATTEMPTS - 1).map(pause).sum();
        assert_eq!(pauses, Duration::from_secs(31));
    }
}

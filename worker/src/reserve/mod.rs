//! Reserve: makes orders of checkouts, for a batch in one transaction.
//!
//! Lock order: checkouts by ascending id, then the payments of orders that exist already, then stock, then
//! carts. Of each checkout that nobody has consumed:
//!
//! 1. a wish to cancel that came first makes it a cancelled order;
//! 2. stock is allocated first come first served, all of an order's lines or nothing;
//! 3. the order, its lines, its history and its payment (leased to this worker) are created, the stock is
//!    taken, the checkout is consumed; the lines of a rejected order go back into the cart.
//!
//! A checkout that was consumed before is resumed where the order and its payment stand: the message was
//! a repetition, or its first worker died.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use ordermill_common::checkout::{self, store::Checkout};
use ordermill_common::db::batch::Locks;
use ordermill_common::db::group::{Slots, Unit, Weight};
use ordermill_common::db::{Db, Error, Result, Tx};
use ordermill_common::id::{OrderId, PaymentId};
use ordermill_common::order::Status;
use sqlx::MySqlConnection;

use crate::task::{Holder, Task};

mod exhausted;
mod fresh;
mod resume;

/// A checkout that a message woke.
#[derive(Debug, Clone, Copy)]
pub struct Wake {
    /// The order that it becomes.
    pub order_id: OrderId,
    /// The id of its payment, should one be created.
    pub payment_id: PaymentId,
    /// Now.
    pub at: DateTime<Utc>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// Stock is taken, or was before; the payment is to be charged, and this worker holds its lease.
    Charge(Task),
    /// The payment is to be voided, and this worker holds its lease.
    Void(Task),
    /// Nothing is left to do; the order stands here.
    Ended(Status),
    /// Somebody else holds the payment's lease, and its end wakes the payment again.
    Held,
    /// A row was held by somebody else for too long, or the work failed; there is a later wake-up.
    PutOff,
    /// There is no such checkout.
    Unknown,
}

/// The unit of the reserve lanes.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// For the transaction that ends an order which cannot be handled.
    pub db: Db,
    /// Who takes the leases.
    pub holder: Holder,
}

/// Snapshots that one transaction takes: some thousands of lines.
const BATCH_BYTES: usize = 512 << 10;

/// Which of the checkouts one transaction takes: in the order of their places, while their snapshots
/// together stay under the limit of a batch, the first in any case; and the others.
fn fitting(
    mut fresh: Vec<Checkout>,
    place: impl Fn(&OrderId) -> usize,
) -> (Vec<Checkout>, BTreeSet<OrderId>) {
    fresh.sort_unstable_by_key(|checkout| place(&checkout.order_id));
    let (mut taken, mut later, mut room) = (Vec::new(), BTreeSet::new(), BATCH_BYTES);
    for checkout in fresh {
        let size = checkout.lines.len();
        if taken.is_empty() || size <= room {
            room = room.saturating_sub(size);
            taken.push(checkout);
        } else {
            later.insert(checkout.order_id);
        }
    }
    (taken, later)
}

impl Unit for Reserve {
    type Member = Wake;
    type Answer = Reserved;
    const NAME: &'static str = "reserve";

    fn weight(&self, _: &Wake) -> Weight {
        Weight { lines: 4, bytes: 2 << 10 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Wake],
        locks: Locks,
        slots: &mut Slots<Reserved>,
    ) -> Result<()> {
        let mut first: BTreeMap<OrderId, (usize, &Wake)> = BTreeMap::new();
        for (place, wake) in members.iter().enumerate() {
            slots.fill(place, Reserved::Held);
            first.entry(wake.order_id).or_insert((place, wake));
        }
        let ids: Vec<OrderId> = first.keys().copied().collect();
        let checkouts = checkout::store::lock(tx, &ids, locks).await?;
        let (consumed, fresh): (Vec<_>, Vec<_>) =
            checkouts.into_iter().partition(|checkout| checkout.consumed);
        let consumed: Vec<Wake> =
            consumed.iter().map(|checkout| *first[&checkout.order_id].1).collect();
        let mut answers = resume::resume(tx, self.holder, &consumed, locks).await?;
        let (fresh, later) = fitting(fresh, |id| first[id].0);
        let fresh = fresh.into_iter().map(|checkout| {
            let wake = first[&checkout.order_id].1;
            (checkout, *wake)
        });
        answers.extend(fresh::reserve(tx, self.holder, fresh.collect(), locks).await?);
        let missing = if locks == Locks::Wait { Reserved::Unknown } else { Reserved::PutOff };
        for (order, (place, _)) in first {
            if later.contains(&order) {
                slots.defer(place);
            } else {
                slots.fill(place, answers.remove(&order).unwrap_or_else(|| missing.clone()));
            }
        }
        Ok(())
    }

    async fn failed_alone(
        &self,
        conn: &mut MySqlConnection,
        wake: &Wake,
        error: &Error,
    ) -> Result<Option<Reserved>> {
        exhausted::note_failure(&self.db, conn, wake, error).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use ordermill_common::id::UserId;
    use ordermill_common::trace::RequestId;

    use super::*;

    fn checkout(bytes: usize) -> Checkout {
        Checkout {
            order_id: OrderId::mint(),
            user_id: UserId::mint(),
            lines: "x".repeat(bytes),
            payment_method: String::new(),
            total: 0,
            request_id: RequestId::mint(),
            accepted_at: DateTime::default(),
            consumed: false,
        }
    }

    #[test]
    fn a_batch_takes_the_carts_that_fit_in_their_order_and_at_least_one() {
        let sizes = [BATCH_BYTES * 2, 1, BATCH_BYTES / 2, BATCH_BYTES, BATCH_BYTES / 2 - 1];
        let checkouts: Vec<Checkout> = sizes.into_iter().map(checkout).collect();
        let ids: Vec<OrderId> = checkouts.iter().map(|checkout| checkout.order_id).collect();
        let place = |id: &OrderId| ids.iter().position(|it| it == id).unwrap();
        let (taken, later) = fitting(checkouts[1..].iter().rev().cloned().collect(), place);
        let taken: Vec<usize> = taken.iter().map(|checkout| place(&checkout.order_id)).collect();
        assert_eq!((taken, later), (vec![1, 2, 4], BTreeSet::from([ids[3]])));
        let (taken, later) = fitting(checkouts, place);
        assert_eq!((taken.len(), later.len()), (1, 4));
    }
}

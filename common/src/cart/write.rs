//! The group commit of cart writes: many buyers' changes in one transaction.
//!
//! How long a cart is shows only once its row is locked, so a member's weight is found inside: carts are
//! taken in the order of arrival while their lines together stay under the limit of a batch, and the
//! others are deferred to the lane's next transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{self, Catalogue};
use super::{Cart, Change, Refusal, store};
use crate::db::batch::Locks;
use crate::db::group::{Slots, Unit, Weight};
use crate::db::{Error, Result, Tx};
use crate::id::UserId;

/// Lines of all carts in one transaction; a single longer cart goes alone.
pub(crate) const BATCH_LINES: usize = 4_000;

/// The unit of work: locks the carts, folds the changes in the order of arrival, writes what differs.
#[derive(Debug, Clone, Copy, Default)]
pub struct CartWrites;

impl Unit for CartWrites {
    type Member = Change;
    type Answer = std::result::Result<Cart, Refusal>;
    const NAME: &'static str = "cart";
    // Adding is relative: done twice it would be twice as many.
    const RERUN_UNKNOWN: bool = false;

    fn weight(&self, _change: &Change) -> Weight {
        Weight { lines: 1, bytes: 256 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Change],
        locks: Locks,
        slots: &mut Slots<Self::Answer>,
    ) -> Result<()> {
        let users: Vec<UserId> = members.iter().map(|change| change.user).collect();
        let heads = lock_all(tx, &users, locks).await?;
        let taken = store::fitting(tx, &users, &heads).await?;
        let stored = store::open(tx, &heads, &taken).await?;
        let products = members.iter().filter_map(|change| change.op.product()).collect();
        let catalogue = store::facts(tx, &products).await?;
        let now = fold_all(members, &stored, &catalogue, slots);
        store::save(tx, &stored, &now).await?;
        for (place, change) in members.iter().enumerate() {
            if heads.contains_key(&change.user) && !taken.contains(&change.user) {
                slots.defer(place);
            }
        }
        Ok(())
    }
}

/// Locks these users' carts. Without [`Locks::Skip`] each of them must exist.
pub(crate) async fn lock_all(
    tx: &mut Tx<'_>,
    users: &[UserId],
    locks: Locks,
) -> Result<BTreeMap<UserId, store::Head>> {
    let heads = store::lock(tx, users, locks).await?;
    let heads: BTreeMap<_, _> = heads.into_iter().map(|head| (head.user_id, head)).collect();
    let distinct: BTreeSet<_> = users.iter().collect();
    if locks == Locks::Wait && heads.len() != distinct.len() {
        return Err(Error::Impossible("an account without a cart".to_owned()));
    }
    Ok(heads)
}

/// Each member is answered with the cart after its own change.
fn fold_all(
    members: &[&Change],
    stored: &BTreeMap<UserId, Cart>,
    catalogue: &Catalogue,
    slots: &mut Slots<std::result::Result<Cart, Refusal>>,
) -> BTreeMap<UserId, Cart> {
    let mut now = stored.clone();
    for (place, change) in members.iter().enumerate() {
        if let Some(cart) = now.get_mut(&change.user) {
            let outcome = fold::apply(cart, change.op, catalogue, change.at);
            slots.fill(place, outcome.map(|()| cart.clone()));
        }
    }
    now
}

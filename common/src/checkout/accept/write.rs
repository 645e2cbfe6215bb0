//! The group commit of accepting: many buyers' carts become checkouts in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use super::{Accept, Answer, store};
use crate::cart::Cart;
use crate::db::batch::Locks;
use crate::db::group::{Slots, Unit, Weight};
use crate::db::{Result, Tx, flush};
use crate::id::{OrderId, OwnerId, UserId};
use crate::outbox;

/// The unit of work. Its outbox rows are leased to `owner`, who publishes them.
#[derive(Debug, Clone, Copy)]
pub struct Accepts {
    /// This process.
    pub owner: OwnerId,
}

impl Unit for Accepts {
    type Member = Accept;
    type Answer = Answer;
    const NAME: &'static str = "accept";
    const RERUN_DUPLICATE: bool = true;

    // The cart's length shows only once its row is locked; carts beyond the limit are deferred then.
    fn weight(&self, _asked: &Accept) -> Weight {
        Weight { lines: 1, bytes: 512 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Accept],
        locks: Locks,
        slots: &mut Slots<Answer>,
    ) -> Result<()> {
        let users: Vec<UserId> = members.iter().map(|asked| asked.user).collect();
        let heads = crate::cart::lock_all(tx, &users, locks).await?;
        let taken = crate::cart::store::fitting(tx, &users, &heads).await?;
        let carts = crate::cart::store::open(tx, &heads, &taken).await?;
        let mut plan = read(tx, members, carts).await?;
        let mut is_promised = false;
        for (place, asked) in members.iter().enumerate() {
            match plan.decide(asked) {
                Some(answer) => {
                    is_promised |= !matches!(answer, Answer::Refused(_));
                    slots.fill(place, answer);
                }
                None if heads.contains_key(&asked.user) => slots.defer(place),
                None => {}
            }
        }
        if is_promised && plan.accepted.is_empty() {
            flush::what_was_read(tx).await?;
        }
        self.save(tx, &plan).await
    }
}

/// What the batch has to know before it decides.
async fn read(tx: &mut Tx<'_>, members: &[&Accept], carts: BTreeMap<UserId, Cart>) -> Result<Plan> {
    let keys: BTreeSet<_> = members
        .iter()
        .filter_map(|asked| asked.key.as_ref().map(|key| (asked.user, key.stored())))
        .collect();
    // A request's own order is there when the answer to its commit was lost; by now its cart may be filled,
    // or even ordered, again.
    let keyless: BTreeSet<OrderId> = members
        .iter()
        .filter(|asked| asked.key.is_none())
        .filter_map(|asked| carts.get(&asked.user).map(|cart| (asked, cart)))
        .flat_map(|(asked, cart)| {
            let last = cart.last_order.filter(|_| cart.lines.is_empty());
            [Some(asked.order_id), last].into_iter().flatten()
        })
        .collect();
    let keys = store::known(tx, &keys).await?;
    let keyless = store::orders(tx, &keyless).await?;
    Ok(Plan { carts, keys, keyless, ..Plan::default() })
}

impl Accepts {
    async fn save(&self, tx: &mut Tx<'_>, plan: &Plan) -> Result<()> {
        store::insert(tx, &plan.accepted).await?;
        let messages: Vec<_> = plan.accepted.iter().map(|new| new.message.clone()).collect();
        outbox::store::insert(tx, self.owner, &messages).await?;
        // A cart is emptied at most once in a batch: nothing fills it while it is locked.
        let emptied: Vec<(UserId, i64, OrderId)> = plan
            .accepted
            .iter()
            .map(|new| {
                let checkout = &new.known.checkout;
                (checkout.user_id, plan.carts[&checkout.user_id].version, checkout.order_id)
            })
            .collect();
        crate::cart::store::empty(tx, &emptied, plan.lines).await
    }
}

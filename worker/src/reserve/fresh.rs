//! Checkouts that nobody has consumed yet.

use std::collections::{BTreeMap, BTreeSet};

use ordermill_common::cancellation::store::Cancellation;
use ordermill_common::checkout::store::Checkout;
use ordermill_common::checkout::{self, SnapshotLine, snapshot};
use ordermill_common::db::batch::Locks;
use ordermill_common::db::{Error, Result, Tx};
use ordermill_common::id::{OrderId, ProductId};
use ordermill_common::order::store::NewOrder;
use ordermill_common::order::{self, Status};
use ordermill_common::payment::store::NewPayment;
use ordermill_common::stock::{self, Allocation, Shelf, Shortfall};
use ordermill_common::{cancellation, cart, payment};

use super::{Reserved, Wake};
use crate::cancel::create_cancelled;
use crate::decide::PUT_OFF;
use crate::task::{Holder, Task};

struct Fresh {
    checkout: Checkout,
    wake: Wake,
    lines: Vec<SnapshotLine>,
    fate: Fate,
}

enum Fate {
    Reserved,
    Rejected(&'static str, Vec<Shortfall>),
    PutOff,
}

/// Makes orders of the checkouts, which the caller has locked.
pub(super) async fn reserve(
    tx: &mut Tx<'_>,
    holder: Holder,
    checkouts: Vec<(Checkout, Wake)>,
    locks: Locks,
) -> Result<BTreeMap<OrderId, Reserved>> {
    if checkouts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<OrderId> = checkouts.iter().map(|(checkout, _)| checkout.order_id).collect();
    let asked: BTreeMap<OrderId, Cancellation> = cancellation::store::read(tx, &ids)
        .await?
        .into_iter()
        .filter(|row| row.outcome.is_none())
        .map(|row| (row.order_id, row))
        .collect();
    let (cancelled, wanted): (Vec<_>, Vec<_>) =
        checkouts.into_iter().partition(|(checkout, _)| asked.contains_key(&checkout.order_id));

    let mut fresh = read(wanted)?;
    let products: BTreeSet<ProductId> =
        fresh.iter().flat_map(|one| &one.lines).map(|line| line.product_id).collect();
    let mut shelves = stock::store::lock(tx, &products, locks).await?;
    decide(&mut fresh, &mut shelves, locks);
    if locks == Locks::Skip {
        put_off_held_carts(tx, &mut fresh).await?;
    }
    write(tx, holder, &fresh).await?;

    let mut answers: BTreeMap<OrderId, Reserved> =
        fresh.iter().map(|one| (one.checkout.order_id, answer(one))).collect();
    if let Some((_, wake)) = cancelled.first() {
        let cancelled: Vec<_> =
            cancelled.iter().map(|(checkout, _)| (checkout, &asked[&checkout.order_id])).collect();
        create_cancelled(tx, &cancelled, wake.at).await?;
        let ended = Reserved::Ended(Status::Cancelled);
        answers.extend(cancelled.iter().map(|(checkout, _)| (checkout.order_id, ended.clone())));
    }
    Ok(answers)
}

/// First come, first served: by the time of acceptance.
fn read(wanted: Vec<(Checkout, Wake)>) -> Result<Vec<Fresh>> {
    let mut fresh = Vec::new();
    for (checkout, wake) in wanted {
        let lines = snapshot::read(&checkout.lines).map_err(|error| {
            Error::Impossible(format!("snapshot of {}: {error}", checkout.order_id))
        })?;
        fresh.push(Fresh { checkout, wake, lines, fate: Fate::PutOff });
    }
    fresh.sort_by_key(|one| (one.checkout.accepted_at, one.checkout.order_id));
    Ok(fresh)
}

fn decide(fresh: &mut [Fresh], shelves: &mut BTreeMap<ProductId, Shelf>, locks: Locks) {
    for one in fresh {
        let all_locked = one.lines.iter().all(|line| shelves.contains_key(&line.product_id));
        if locks == Locks::Skip && !all_locked {
            continue;
        }
        one.fate = match stock::allocate(shelves, &one.lines) {
            Allocation::Taken => Fate::Reserved,
            Allocation::Short(lines) => Fate::Rejected("out_of_stock", lines),
            Allocation::Unavailable(lines) => Fate::Rejected("product_unavailable", lines),
        };
    }
}

/// The lines of a rejected order go back into its buyer's cart: not now, if somebody else holds that. It took
/// nothing that the others could have had.
async fn put_off_held_carts(tx: &mut Tx<'_>, fresh: &mut [Fresh]) -> Result<()> {
    let rejected = |one: &Fresh| matches!(one.fate, Fate::Rejected(..));
    let users = fresh.iter().filter(|one| rejected(one)).map(|one| one.checkout.user_id);
    let held = cart::store::held(tx, users.collect()).await?;
    for one in fresh.iter_mut().filter(|one| rejected(one)) {
        if held.contains(&one.checkout.user_id) {
            one.fate = Fate::PutOff;
        }
    }
    Ok(())
}

fn answer(one: &Fresh) -> Reserved {
    match one.fate {
        Fate::Reserved => Reserved::Charge(Task {
            order_id: one.checkout.order_id,
            payment_id: one.wake.payment_id,
            method: one.checkout.payment_method.clone(),
            amount: one.checkout.total,
        }),
        Fate::Rejected(..) => Reserved::Ended(Status::Rejected),
        Fate::PutOff => Reserved::PutOff,
    }
}

async fn write(tx: &mut Tx<'_>, holder: Holder, fresh: &[Fresh]) -> Result<()> {
    let orders: Vec<NewOrder<'_>> = fresh.iter().filter_map(new_order).collect();
    order::store::insert(tx, &orders).await?;
    let reserved = || fresh.iter().filter(|one| matches!(one.fate, Fate::Reserved));
    let payments: Vec<NewPayment<'_>> = reserved()
        .map(|one| NewPayment {
            id: one.wake.payment_id,
            order_id: one.checkout.order_id,
            method: &one.checkout.payment_method,
            amount: one.checkout.total,
        })
        .collect();
    payment::store::insert(tx, holder.owner, holder.lease, &payments).await?;
    let mut taken = order::store::quantities(reserved().flat_map(|one| &one.lines));
    for quantity in taken.values_mut() {
        *quantity = -*quantity;
    }
    stock::store::change(tx, &taken).await?;
    let consumed: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    if !consumed.is_empty() {
        checkout::store::consume(tx, &consumed).await?;
    }
    let put_off: Vec<OrderId> = fresh
        .iter()
        .filter(|one| matches!(one.fate, Fate::PutOff))
        .map(|one| one.checkout.order_id)
        .collect();
    if !put_off.is_empty() {
        checkout::store::put_off(tx, &put_off, PUT_OFF).await?;
    }
    let back: Vec<_> = fresh
        .iter()
        .filter(|one| matches!(one.fate, Fate::Rejected(..)))
        .map(|one| (one.checkout.user_id, one.lines.clone()))
        .collect();
    cart::store::put_back(tx, &back).await
}

fn new_order(one: &Fresh) -> Option<NewOrder<'_>> {
    let (status, reason, shortfall) = match &one.fate {
        Fate::Reserved => (Status::Reserved, None, None),
        Fate::Rejected(reason, lines) => {
            let lines = serde_json::to_string(lines).expect("a shortfall is strings and integers");
            (Status::Rejected, Some(*reason), Some(lines))
        }
        Fate::PutOff => return None,
    };
    Some(NewOrder {
        id: one.checkout.order_id,
        user_id: one.checkout.user_id,
        status,
        reason,
        shortfall,
        lines: &one.lines,
        total: one.checkout.total,
        accepted_at: one.checkout.accepted_at,
        actor: "worker",
        note: None,
        at: one.wake.at,
    })
}

//! Checkouts that were consumed before: the work goes on where the order and its payment stand.

use std::collections::{BTreeMap, BTreeSet};

use ordermill_common::db::batch::Locks;
use ordermill_common::db::{Result, Tx};
use ordermill_common::id::{OrderId, PaymentId};
use ordermill_common::payment::PaymentStatus;
use ordermill_common::payment::store::Payment;
use ordermill_common::{order, payment};

use super::{Reserved, Wake};
use crate::task::{Holder, Task};

/// Wins the leases of the unfinished payments that nobody holds. The orders are read without locks: what
/// follows is decided again when it is settled.
///
/// A payment with the very id that was minted for this wake was made by it, in a run of the batch whose
/// commit happened and was not confirmed. While its lease runs and is ours, nobody else is at work on it.
pub(super) async fn resume(
    tx: &mut Tx<'_>,
    holder: Holder,
    wakes: &[Wake],
    locks: Locks,
) -> Result<BTreeMap<OrderId, Reserved>> {
    if wakes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let orders: Vec<OrderId> = wakes.iter().map(|wake| wake.order_id).collect();
    let minted: BTreeSet<PaymentId> = wakes.iter().map(|wake| wake.payment_id).collect();
    let rows = order::store::find_all(tx, &orders).await?;
    let payments = payment::store::of_orders(tx, &orders).await?;
    let unfinished: Vec<OrderId> = payments
        .iter()
        .filter(|payment| payment.status.is_unfinished())
        .map(|payment| payment.order_id)
        .collect();
    let won =
        payment::store::win_leases(tx, holder.owner, holder.lease, &unfinished, locks).await?;
    let waiting: BTreeSet<OrderId> = unfinished.into_iter().collect();
    let mut answers: BTreeMap<OrderId, Reserved> = rows
        .into_iter()
        .map(|order| {
            let held = waiting.contains(&order.id);
            (order.id, if held { Reserved::Held } else { Reserved::Ended(order.status) })
        })
        .collect();
    let ours = |payment: &&Payment| {
        payment.status == PaymentStatus::Pending
            && payment.leased_to == Some(holder.owner)
            && minted.contains(&payment.id)
    };
    for payment in won.iter().chain(payments.iter().filter(ours)) {
        let next = match payment.status {
            PaymentStatus::VoidDue => Reserved::Void(Task::from(payment)),
            _ => Reserved::Charge(Task::from(payment)),
        };
        answers.insert(payment.order_id, next);
    }
    Ok(answers)
}

//! Settle: writes what the gateway said, for a batch of orders in one transaction.
//!
//! Lock order: orders by ascending id, then their payments, stock, carts. What is written is decided on the
//! status that is read under the lock, so a late or repeated outcome changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordermill_common::broker::Kind;
use ordermill_common::db::batch::Locks;
use ordermill_common::db::group::{Slots, Unit, Weight};
use ordermill_common::db::{Error, Result, Tx};
use ordermill_common::id::OrderId;
use ordermill_common::order::Status;
use ordermill_common::{cancellation, order, payment};
use sqlx::MySqlConnection;

use crate::apply::{Case, TRIED_WITH_CART, apply, lock_payments};
use crate::decide::{self, CallOutcome, Decision, Facts, PUT_OFF, pause};
use crate::letters;
use crate::task::{Holder, Task};

/// The outcome of a call, for the order's books.
#[derive(Debug, Clone)]
pub struct Report {
    /// The order.
    pub order_id: OrderId,
    /// How the call ended.
    pub outcome: CallOutcome,
    /// Now.
    pub at: DateTime<Utc>,
}

/// What the reporter does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Nothing: the order stands here, and whatever is unfinished has its wake-up.
    Done(Status),
    /// The payment is due to be voided, and this worker holds its lease.
    Void(Task),
    /// Another report for the same order was in the batch; report again.
    Again,
    /// A row was held by somebody else for too long; the payment wakes again soon, and the gateway repeats
    /// its answer.
    PutOff,
}

/// The unit of the settle lanes.
#[derive(Debug, Clone, Copy)]
pub struct Settle {
    /// Who takes the leases of the voids that follow.
    pub holder: Holder,
}

impl Unit for Settle {
    type Member = Report;
    type Answer = Settled;
    const NAME: &'static str = "settle";

    fn weight(&self, _: &Report) -> Weight {
        Weight { lines: 4, bytes: 512 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Report],
        locks: Locks,
        slots: &mut Slots<Settled>,
    ) -> Result<()> {
        let mut first: BTreeMap<OrderId, usize> = BTreeMap::new();
        for (place, report) in members.iter().enumerate() {
            slots.fill(place, Settled::Again);
            first.entry(report.order_id).or_insert(place);
        }
        for place in first.values() {
            slots.fill(*place, Settled::PutOff);
        }
        let ids: Vec<OrderId> = first.keys().copied().collect();
        let mut orders = order::store::lock(tx, &ids, locks).await?;
        let payments = lock_payments(tx, &mut orders, locks).await?;
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        let payments: BTreeMap<_, _> = payments.iter().map(|row| (row.order_id, row)).collect();
        let asked = cancellation::store::read(tx, &ids).await?;
        let asked: BTreeMap<_, _> = asked
            .iter()
            .filter(|row| row.outcome.is_none())
            .map(|row| (row.order_id, row))
            .collect();
        let cases: Vec<Case<'_>> = orders
            .into_iter()
            .map(|order| {
                let outcome = &members[first[&order.id]].outcome;
                let payment = payments.get(&order.id).copied();
                let cancellation = asked.get(&order.id).copied();
                let facts = Facts {
                    order: order.status,
                    payment: payment.map(|payment| payment.status),
                    attempts: payment.map_or(0, |payment| payment.attempts),
                    first_silence: payment.and_then(|payment| payment.first_silence),
                    age: payment.map_or(Duration::ZERO, |payment| payment.age),
                    held: payment.is_some_and(|row| row.owner == Some(self.holder.owner)),
                    cancel_asked: cancellation.is_some(),
                };
                let decision = decide::settle(&facts, outcome);
                Case { order, payment, cancellation, outcome: Some(outcome), decision }
            })
            .collect();
        let at = members.iter().map(|report| report.at).max().unwrap_or_default();
        let put_off = apply(tx, self.holder, &cases, at, locks).await?;
        let decided: BTreeSet<OrderId> = cases.iter().map(|case| case.order.id).collect();
        let unwritten: Vec<OrderId> =
            first.keys().filter(|id| !decided.contains(id)).chain(&put_off).copied().collect();
        if !unwritten.is_empty() {
            payment::store::give_back(tx, self.holder.owner, &unwritten, PUT_OFF).await?;
        }
        for case in cases.iter().filter(|case| !put_off.contains(&case.order.id)) {
            let why = match case.decision {
                Decision { give_up: true, .. } => Some(GIVEN_UP),
                Decision { void_overdue: true, .. } => Some(VOID_OVERDUE),
                _ => None,
            };
            if let Some(why) = why {
                letters::record(tx, (Kind::OrderCheckoutV1, case.order.id), "settle", why).await?;
            }
            let next = match case.payment {
                Some(payment) if case.decision.void_next() => Settled::Void(payment.into()),
                _ => Settled::Done(case.status_after()?),
            };
            slots.fill(first[&case.order.id], next);
        }
        Ok(())
    }

    /// The verdict could not be written. The payment sleeps, and is asked for again: the gateway answers
    /// the same. After some failures a dead letter tells somebody, and the lines stay out of the cart.
    async fn failed_alone(
        &self,
        conn: &mut MySqlConnection,
        report: &Report,
        error: &Error,
    ) -> Result<Option<Settled>> {
        let failures =
            payment::store::put_off_failed(conn, self.holder.owner, report.order_id, pause).await?;
        if failures == Some(TRIED_WITH_CART) {
            let why = ordermill_common::log::chain(error);
            letters::record(conn, (Kind::OrderCheckoutV1, report.order_id), "settle", &why).await?;
        }
        Ok(Some(Settled::PutOff))
    }
}

const GIVEN_UP: &str = "the payment gateway gave no verdict; the payment is being voided";
const VOID_OVERDUE: &str =
    "the payment gateway has not confirmed the void after many calls; it is asked until it does";

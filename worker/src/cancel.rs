//! Cancel: decides wishes to cancel, for a batch of orders in one transaction.
//!
//! Lock order: checkouts by ascending id, then orders, payments, stock. A wish that overtakes its checkout
//! creates the order, as cancelled.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordermill_common::broker::Kind;
use ordermill_common::cancellation::store::Cancellation;
use ordermill_common::checkout::store::Checkout;
use ordermill_common::checkout::{self, snapshot};
use ordermill_common::db::batch::Locks;
use ordermill_common::db::group::{Slots, Unit, Weight};
use ordermill_common::db::{Error, Result, Tx};
use ordermill_common::id::OrderId;
use ordermill_common::order::Status;
use ordermill_common::order::store::NewOrder;
use ordermill_common::{cancellation, order};
use sqlx::MySqlConnection;

use crate::apply::{Case, apply, lock_payments};
use crate::decide::{self, Facts, PUT_OFF};
use crate::letters;
use crate::task::{Holder, Task};

/// Failures to decide after which a dead letter says so, once.
const REPORTED_AFTER: u32 = 8;

/// A wish to cancel that a message woke.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// The order.
    pub order_id: OrderId,
    /// Now.
    pub at: DateTime<Utc>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// Decided, now or before; the order stands here.
    Done(Status),
    /// Decided, and the payment is due to be voided; this worker holds its lease.
    Void(Task),
    /// A row was held by somebody else for too long; the wish has its wake-up.
    PutOff,
    /// Nobody asked to cancel this order, or there is no such order.
    Unknown,
}

/// The unit of the cancel lanes.
#[derive(Debug, Clone, Copy)]
pub struct Cancel {
    /// Who takes the leases of the voids that follow.
    pub holder: Holder,
}

impl Unit for Cancel {
    type Member = Wish;
    type Answer = Cancelled;
    const NAME: &'static str = "cancel";

    fn weight(&self, _: &Wish) -> Weight {
        Weight { lines: 4, bytes: 256 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Wish],
        locks: Locks,
        slots: &mut Slots<Cancelled>,
    ) -> Result<()> {
        let mut answers: BTreeMap<OrderId, Cancelled> = BTreeMap::new();
        let ids: Vec<OrderId> = members.iter().map(|wish| wish.order_id).collect();
        let at = members.iter().map(|wish| wish.at).max().unwrap_or_default();
        let checkouts = checkout::store::lock(tx, &ids, locks).await?;
        let ids: Vec<OrderId> = checkouts.iter().map(|row| row.order_id).collect();
        let mut orders = order::store::lock(tx, &ids, locks).await?;
        let asked = cancellation::store::read(tx, &ids).await?;
        let asked: BTreeMap<_, _> = asked.iter().map(|row| (row.order_id, row)).collect();
        for id in ids.iter().filter(|id| asked.contains_key(id)) {
            answers.insert(*id, Cancelled::PutOff);
        }
        let undecided = |id: &OrderId| asked.get(id).copied().filter(|row| row.outcome.is_none());

        let fresh: Vec<_> = checkouts
            .iter()
            .filter(|row| !row.consumed)
            .filter_map(|row| undecided(&row.order_id).map(|asked| (row, asked)))
            .collect();
        create_cancelled(tx, &fresh, at).await?;
        answers.extend(
            fresh.iter().map(|(row, _)| (row.order_id, Cancelled::Done(Status::Cancelled))),
        );

        let payments = lock_payments(tx, &mut orders, locks).await?;
        let payments: BTreeMap<_, _> = payments.iter().map(|row| (row.order_id, row)).collect();
        let cases: Vec<Case<'_>> = orders
            .into_iter()
            .filter(|order| asked.contains_key(&order.id))
            .map(|order| {
                let payment = payments.get(&order.id).copied();
                let cancellation = undecided(&order.id);
                let facts = Facts {
                    order: order.status,
                    payment: payment.map(|payment| payment.status),
                    attempts: 0,
                    first_silence: None,
                    age: Duration::ZERO,
                    held: false,
                    cancel_asked: cancellation.is_some(),
                };
                let decision = decide::cancel(&facts);
                Case { order, payment, cancellation, outcome: None, decision }
            })
            .collect();
        let put_off = apply(tx, self.holder, &cases, at, locks).await?;
        for case in cases.iter().filter(|case| !put_off.contains(&case.order.id)) {
            let answer = match case.payment {
                Some(payment) if case.decision.void_next() => Cancelled::Void(payment.into()),
                _ => Cancelled::Done(case.status_after()?),
            };
            answers.insert(case.order.id, answer);
        }
        let waiting: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| **answer == Cancelled::PutOff)
            .map(|(id, _)| *id)
            .collect();
        cancellation::store::put_off(tx, &waiting, PUT_OFF).await?;
        let missing = if locks == Locks::Wait { Cancelled::Unknown } else { Cancelled::PutOff };
        for (place, wish) in members.iter().enumerate() {
            slots.fill(place, answers.get(&wish.order_id).unwrap_or(&missing).clone());
        }
        Ok(())
    }

    async fn failed_alone(
        &self,
        conn: &mut MySqlConnection,
        wish: &Wish,
        error: &Error,
    ) -> Result<Option<Cancelled>> {
        let attempts = cancellation::store::raise_attempts(conn, wish.order_id, PUT_OFF).await?;
        if attempts == REPORTED_AFTER {
            let why = ordermill_common::log::chain(error);
            letters::record(conn, (Kind::OrderCancelV1, wish.order_id), "cancel", &why).await?;
        }
        Ok(Some(Cancelled::PutOff))
    }
}

/// Creates these orders as cancelled, in the name of who asked, and consumes their checkouts.
pub(crate) async fn create_cancelled(
    tx: &mut Tx<'_>,
    fresh: &[(&Checkout, &Cancellation)],
    at: DateTime<Utc>,
) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    for (row, _) in fresh {
        lines.push(
            snapshot::read(&row.lines).map_err(|error| Error::Impossible(error.to_string()))?,
        );
    }
    let orders: Vec<_> = fresh
        .iter()
        .zip(&lines)
        .map(|((row, asked), lines)| NewOrder {
            id: row.order_id,
            user_id: row.user_id,
            status: Status::Cancelled,
            reason: None,
            shortfall: None,
            lines,
            total: row.total,
            accepted_at: row.accepted_at,
            actor: &asked.requested_by,
            note: asked.reason.as_deref(),
            at,
        })
        .collect();
    order::store::insert(tx, &orders).await?;
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    checkout::store::consume(tx, &ids).await?;
    let decided: Vec<_> =
        ids.iter().map(|id| (*id, cancellation::store::Outcome::Cancelled)).collect();
    cancellation::store::decide(tx, &decided).await
}

//! The stages of the worker around the real decisions: what each reads and writes in its transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ordermill_common::cancellation::Outcome;
use ordermill_common::id::{PaymentId, UserId};
use ordermill_common::order::store::OrderRow;
use ordermill_common::order::{Applied, Move, Status};
use ordermill_common::payment::PaymentStatus;
use ordermill_common::stock::{Allocation, Shelf, allocate};
use ordermill_worker::apply::Case;
use ordermill_worker::charge::Till;
use ordermill_worker::decide::{self, CallOutcome, Decision, Facts, PaymentStep};
use uuid::Uuid;

use super::{Hand, Kind, Message, Payment, Step, World, order_id, product};
use crate::gateway::Op;

/// How long a call may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

impl World {
    /// Reserves the checkouts and decides the wishes of a batch, each kind in one transaction.
    pub(super) fn deliver(&mut self, worker: usize, batch: &[Message]) {
        let of = |kind| -> BTreeSet<usize> {
            batch.iter().filter(|one| one.kind == kind).map(|one| one.order).collect()
        };
        let (checkouts, cancels) = (of(Kind::Checkout), of(Kind::Cancel));
        let (consumed, fresh): (Vec<_>, Vec<_>) =
            checkouts.into_iter().partition(|order| self.orders[*order].consumed);
        for order in consumed {
            self.resume(worker, order);
        }
        self.reserve(worker, &fresh);
        for order in cancels {
            self.cancel(worker, order);
        }
    }

    /// Numbers are given in the order of acceptance, so the first come are served first.
    fn reserve(&mut self, worker: usize, fresh: &[usize]) {
        let mut shelves =
            BTreeMap::from([0, 1].map(|number| {
                (product(number), Shelf { available: self.stock[number], sold: true })
            }));
        for &at in fresh {
            let asked = self.orders[at].wish.is_some_and(|wish| wish.outcome.is_none());
            if asked {
                self.sights.cancelled_before_reserve += 1;
                self.create(at, Move::Cancel);
                self.orders[at].wish.as_mut().unwrap().outcome = Some(Outcome::Cancelled);
                self.orders[at].wish.as_mut().unwrap().wake = None;
                continue;
            }
            let enough =
                (0..2).all(|number| self.stock[number] >= self.orders[at].quantity(number));
            let allocation = allocate(&mut shelves, &self.orders[at].lines);
            let taken = allocation == Allocation::Taken;
            assert_eq!(taken, enough, "stock {:?}, {allocation:?}", self.stock);
            if taken {
                self.take(at, -1);
                self.create(at, Move::Reserve);
                self.open_payment(worker, at);
            } else {
                self.sights.short += 1;
                self.create(at, Move::Reject);
            }
            for (number, left) in self.stock.iter().enumerate() {
                assert_eq!(shelves[&product(number)].available, *left, "after {allocation:?}");
            }
        }
    }

    fn create(&mut self, at: usize, step: Move) {
        let Ok(Applied::Now(status)) = Status::Accepted.apply(step) else {
            panic!("an accepted order cannot {step:?}")
        };
        let user_id = UserId::from_uuid(Uuid::nil());
        let row = OrderRow { id: order_id(at), user_id, status, version: 2 };
        let order = &mut self.orders[at];
        assert!(!order.consumed, "two orders of one checkout");
        (order.row, order.consumed, order.wake) = (Some(row), true, None);
    }

    fn open_payment(&mut self, worker: usize, at: usize) {
        self.minted += 1;
        let id = PaymentId::from_uuid(Uuid::from_u128(self.minted.into()));
        let leased_until = self.now + Till::lease(TIMEOUT);
        self.orders[at].payment = Some(Payment {
            id,
            status: PaymentStatus::Pending,
            attempts: 0,
            first_silence: None,
            created: self.now,
            owner: Some(worker),
            leased_until: Some(leased_until),
            wake: Some(leased_until),
        });
        self.take_in_hand(worker, Kind::Checkout, at, Op::Charge);
    }

    fn resume(&mut self, worker: usize, at: usize) {
        let (now, lease) = (self.now, self.now + Till::lease(TIMEOUT));
        let Some(payment) = &mut self.orders[at].payment else { return };
        if !payment.status.is_unfinished() {
            return;
        }
        if payment.leased_until.is_some_and(|until| until > now) {
            self.sights.lease_held += 1;
            return;
        }
        payment.owner = Some(worker);
        (payment.leased_until, payment.wake) = (Some(lease), Some(lease));
        let op = if payment.status == PaymentStatus::VoidDue { Op::Void } else { Op::Charge };
        self.take_in_hand(worker, Kind::Checkout, at, op);
    }

    fn take_in_hand(&mut self, worker: usize, kind: Kind, order: usize, op: Op) {
        let key = self.orders[order].payment.expect("what is called has a payment").id;
        let leased_until = self.now + Till::lease(TIMEOUT);
        let step = Step::Call { op, key, leased_until };
        self.hands.push(Hand { worker, message: Message { kind, order }, step });
    }

    fn cancel(&mut self, worker: usize, at: usize) {
        let order = &self.orders[at];
        if !order.consumed {
            assert!(order.wish.is_some(), "a message of a wish that nobody noted");
            return self.reserve(worker, &[at]);
        }
        let facts = Facts {
            order: order.status(),
            payment: order.payment.map(|payment| payment.status),
            attempts: 0,
            first_silence: None,
            age: Duration::ZERO,
            held: false,
            cancel_asked: order.wish.is_some_and(|wish| wish.outcome.is_none()),
        };
        let decision = decide::cancel(&facts);
        if decision.cancellation == Some(Outcome::Cancelled) {
            match facts.payment {
                Some(PaymentStatus::Pending) => self.sights.cancelled_while_pending += 1,
                Some(PaymentStatus::Captured) => self.sights.cancelled_after_capture += 1,
                _ => {}
            }
        }
        self.sights.cancel_refused += u64::from(decision.cancellation == Some(Outcome::Refused));
        self.write(worker, at, None, &decision);
        if decision.void_next() {
            self.take_in_hand(worker, Kind::Cancel, at, Op::Void);
        }
    }

    /// Writes what the worker knows of its call, and is done with the message unless a void follows.
    pub(super) fn settle(&mut self, hand: usize) {
        let Hand { worker, message, step: Step::Settle(outcome) } = self.hands.swap_remove(hand)
        else {
            panic!("nothing to settle")
        };
        let at = message.order;
        let order = &self.orders[at];
        let payment = order.payment.expect("what is settled has a payment");
        let facts = Facts {
            order: order.status(),
            payment: Some(payment.status),
            attempts: payment.attempts,
            first_silence: payment.first_silence.map(|first| self.since(first)),
            age: self.since(payment.created),
            held: payment.owner == Some(worker),
            cancel_asked: order.wish.is_some_and(|wish| wish.outcome.is_none()),
        };
        let decision = decide::settle(&facts, &outcome);
        self.sights.paid += u64::from(becomes(&decision, PaymentStatus::Captured));
        self.sights.declined += u64::from(becomes(&decision, PaymentStatus::Declined));
        self.sights.given_up += u64::from(decision.give_up);
        self.sights.cancelled_by_settle += u64::from(decision.cancellation.is_some());
        self.sights.late_settle += u64::from(decision == Decision::default());
        self.write(worker, at, Some(&outcome), &decision);
        if decision.void_next() {
            self.take_in_hand(worker, message.kind, at, Op::Void);
        }
    }

    /// The first time without being told so: what follows from it is done, if at all, after the second.
    pub(super) fn settle_twice(&mut self, hand: usize) {
        let Hand { worker, message, step: Step::Settle(outcome) } = &self.hands[hand] else {
            panic!("nothing to settle")
        };
        let (worker, message) = (*worker, *message);
        let again = Hand { worker, message, step: Step::Settle(outcome.clone()) };
        let hands = self.hands.len();
        self.settle(hand);
        self.hands.truncate(hands - 1);
        self.hands.push(again);
        self.settle(hands - 1);
    }

    fn since(&self, then: Duration) -> Duration {
        self.now.checked_sub(then).expect("time does not go back")
    }

    /// As `apply` and the payments' store do.
    fn write(
        &mut self,
        worker: usize,
        at: usize,
        outcome: Option<&CallOutcome>,
        decision: &Decision,
    ) {
        let row = self.orders[at].row.expect("what is decided on exists");
        let case =
            Case { order: row, payment: None, cancellation: None, outcome, decision: *decision };
        let status = case.status_after().unwrap();
        if case.releases().unwrap() {
            self.take(at, 1);
        }
        let (now, lease) = (self.now, self.now + Till::lease(TIMEOUT));
        let order = &mut self.orders[at];
        if decision.order.is_some() {
            order.row = Some(OrderRow { status, version: row.version + 1, ..row });
        }
        if let (Some(payment), Some(step)) = (&mut order.payment, decision.payment) {
            if decision.count_attempt {
                payment.attempts += 1;
                payment.first_silence.get_or_insert(now);
            }
            let (status, leased_until, wake) = match step {
                PaymentStep::Sleep(pause) => (payment.status, None, Some(now + pause)),
                PaymentStep::Become(PaymentStatus::VoidDue) => {
                    (PaymentStatus::VoidDue, Some(lease), Some(lease))
                }
                PaymentStep::Become(status) => (status, None, None),
            };
            payment.owner = leased_until.map(|_| worker);
            (payment.status, payment.leased_until, payment.wake) = (status, leased_until, wake);
        }
        if let Some(outcome) = decision.cancellation {
            let wish = order.wish.as_mut().expect("what is decided was asked for");
            assert_eq!(wish.outcome, None, "a cancellation is decided once");
            (wish.outcome, wish.wake) = (Some(outcome), None);
        }
    }

    fn take(&mut self, at: usize, sign: i64) {
        for number in 0..2 {
            self.stock[number] += sign * self.orders[at].quantity(number);
        }
    }
}

fn becomes(decision: &Decision, status: PaymentStatus) -> bool {
    decision.payment == Some(PaymentStep::Become(status))
}

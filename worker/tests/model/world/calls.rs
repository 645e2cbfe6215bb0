//! Calls to the gateway, torn into their parts: made, arrived, answered, or given up by the caller.

use std::time::Instant;

use ordermill_common::payment::PaymentStatus;
use ordermill_worker::decide::{Call, CallOutcome};

use super::stages::TIMEOUT;
use super::{Kind, Message, Order, Sent, Step, World, pick};
use crate::gateway::Op;

impl World {
    /// As `Till::call` does: not past the lease, and not through an open breaker.
    pub(super) fn call(&mut self, hand: usize) {
        let (at, now) = (self.instant(), self.now);
        let held = &mut self.hands[hand];
        let Step::Call { op, key, leased_until } = held.step else { panic!("nothing to call") };
        let in_time = now + TIMEOUT <= leased_until;
        if !in_time {
            held.step = Step::Settle(CallOutcome::NotCalled);
            return;
        }
        let pass = match self.breakers[held.worker].pass(at) {
            Ok(pass) => pass,
            Err(silent) => {
                self.sights.breaker_open += 1;
                let order = &mut self.orders[held.message.order];
                order.barred_for = order.barred_for.max(silent);
                held.step = Step::Settle(CallOutcome::Barred(silent));
                return;
            }
        };
        self.minted += 1;
        let call = self.minted;
        held.step = Step::Wait { call, op, pass };
        self.sights.two_calls_of_one_key += u64::from(self.wire.iter().any(|sent| sent.key == key));
        self.wire.push(Sent { call, op, key, order: held.message.order });
    }

    /// The gateway does what it is asked, whether or not somebody still waits for the answer.
    pub(super) fn arrive(&mut self, at: usize, answered: bool) {
        let Sent { call, op, key, order } = self.wire.swap_remove(at);
        let voided = self.gateway.account(key).voided;
        self.sights.charge_after_void += u64::from(op == Op::Charge && voided);
        let outcome = self.gateway.answer(op, key, self.orders[order].declined);
        if answered {
            self.hear(call, outcome);
        }
    }

    /// The gateway does nothing and says so.
    pub(super) fn turn_away(&mut self, at: usize) {
        let Sent { call, op, .. } = self.wire.swap_remove(at);
        self.hear(call, no_verdict(op));
    }

    pub(super) fn time_out(&mut self, hand: usize) {
        let Step::Wait { op, .. } = self.hands[hand].step else { panic!("nobody waits") };
        self.end_call(hand, no_verdict(op));
    }

    /// Of one order whose payment is pending and asleep: it wakes, and its call ends without a verdict.
    pub(super) fn keep_silent_to(&mut self, number: u8, tries: u8) {
        let pending =
            |order: &Order| order.payment.filter(|it| it.status == PaymentStatus::Pending);
        let orders: Vec<usize> =
            (0..self.orders.len()).filter(|at| pending(&self.orders[*at]).is_some()).collect();
        let Some(at) = pick(&orders, number).map(|at| orders[at]) else { return };
        for _ in 0..tries {
            let Some(wake) = pending(&self.orders[at]).and_then(|payment| payment.wake) else {
                return;
            };
            self.now = self.now.max(wake);
            let hands = self.hands.len();
            self.deliver(0, &[Message { kind: Kind::Checkout, order: at }]);
            if self.hands.len() == hands {
                return;
            }
            self.call(hands);
            if matches!(self.hands[hands].step, Step::Wait { .. }) {
                self.time_out(hands);
            }
            self.settle(hands);
        }
    }

    /// Brings the answer to whoever waits for it.
    fn hear(&mut self, call: u64, outcome: CallOutcome) {
        let waits = |step: &Step| matches!(step, Step::Wait { call: own, .. } if *own == call);
        if let Some(hand) = self.hands.iter().position(|hand| waits(&hand.step)) {
            self.end_call(hand, outcome);
        }
    }

    fn end_call(&mut self, hand: usize, outcome: CallOutcome) {
        let at = self.instant();
        let held = &mut self.hands[hand];
        let silent = matches!(outcome, CallOutcome::NoVerdict(..));
        let step = std::mem::replace(&mut held.step, Step::Settle(outcome));
        let Step::Wait { pass, .. } = step else { panic!("nobody waits for an answer") };
        let _ = self.breakers[held.worker].record(&pass, !silent, at);
        if silent {
            let order = &mut self.orders[held.message.order];
            order.silent_calls += 1;
            order.first_silence.get_or_insert(self.now);
        }
    }

    fn instant(&self) -> Instant {
        self.epoch + self.now
    }
}

fn no_verdict(op: Op) -> CallOutcome {
    let call = match op {
        Op::Charge => Call::Charge,
        Op::Void => Call::Void,
    };
    CallOutcome::NoVerdict(call, String::new())
}

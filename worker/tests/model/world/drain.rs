//! The end of every life: nothing goes wrong any more, and whatever is unfinished gets its time.

use super::{Step, World};

/// More rounds than anything unfinished can need.
const ROUNDS: usize = 300;

impl World {
    /// Delivers, calls and settles until nothing is unfinished, and at last the calls that got lost on their
    /// way. `look` is called after each step.
    pub(crate) fn drain(&mut self, mut look: impl FnMut(&Self)) {
        while !self.asking.is_empty() {
            self.note(0);
            look(self);
        }
        for _ in 0..ROUNDS {
            while let Some(message) = self.messages.pop() {
                self.deliver(0, &[message]);
                look(self);
            }
            while let Some(hand) = self.hands.len().checked_sub(1) {
                self.push_on(hand);
                look(self);
            }
            let Some(next) = self.next_wake() else {
                return self.deliver_the_late(look);
            };
            self.now = self.now.max(next);
            self.sweep();
        }
        panic!("unfinished after {ROUNDS} rounds: {:?}", self.orders);
    }

    fn push_on(&mut self, hand: usize) {
        match &self.hands[hand].step {
            Step::Call { .. } => self.call(hand),
            Step::Settle(_) => self.settle(hand),
            Step::Wait { call, .. } => {
                let call = *call;
                match self.wire.iter().position(|sent| sent.call == call) {
                    Some(at) => self.arrive(at, true),
                    None => self.time_out(hand),
                }
            }
        }
    }

    fn next_wake(&self) -> Option<std::time::Duration> {
        let wakes = self.orders.iter().flat_map(|order| {
            let payment = order.payment.and_then(|payment| payment.wake);
            [order.wake, payment, order.wish.and_then(|wish| wish.wake)]
        });
        wakes.flatten().min()
    }

    fn deliver_the_late(&mut self, mut look: impl FnMut(&Self)) {
        while !self.wire.is_empty() {
            self.arrive(0, true);
            look(self);
        }
    }
}

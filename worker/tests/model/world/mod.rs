//! The rows, the messages, the workers and the wire, as plain values. What the database's transactions make
//! atomic is one event here; everything between two of them can be torn apart.

use std::time::{Duration, Instant};

use ordermill_common::cancellation::Outcome;
use ordermill_common::checkout::SnapshotLine;
use ordermill_common::id::{OrderId, PaymentId, ProductId};
use ordermill_common::order::store::OrderRow;
use ordermill_common::order::{Applied, Move, Status};
use ordermill_common::payment::breaker::{BreakerLimits, Pass};
use ordermill_common::payment::{Breaker, PaymentStatus};
use ordermill_worker::decide::CallOutcome;
use uuid::Uuid;

use crate::event::Event;
use crate::gateway::{Gateway, Op};
use crate::sights::Sights;

mod calls;
mod drain;
mod stages;

/// How long what nobody handled sleeps.
const WAKE: Duration = Duration::from_secs(30);

/// A checkout, and what became of it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) lines: Vec<SnapshotLine>,
    /// What the gateway thinks of the buyer's card.
    pub(crate) declined: bool,
    pub(crate) consumed: bool,
    pub(crate) wake: Option<Duration>,
    pub(crate) row: Option<OrderRow>,
    pub(crate) payment: Option<Payment>,
    pub(crate) wish: Option<Wish>,
    /// Calls that ended without a verdict, as the network counts them.
    pub(crate) silent_calls: u32,
    /// When the first of them ended.
    pub(crate) first_silence: Option<Duration>,
    /// The longest silence of the gateway towards everybody that kept a call from being made.
    pub(crate) barred_for: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) status: PaymentStatus,
    pub(crate) attempts: u32,
    /// When the first of these was written down.
    pub(crate) first_silence: Option<Duration>,
    pub(crate) created: Duration,
    /// The worker that took the lease last, until it is given back.
    pub(crate) owner: Option<usize>,
    pub(crate) leased_until: Option<Duration>,
    pub(crate) wake: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) wake: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Checkout,
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) order: usize,
}

/// A message that a worker holds between two transactions.
#[derive(Debug)]
pub(crate) struct Hand {
    worker: usize,
    message: Message,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Call { op: Op, key: PaymentId, leased_until: Duration },
    Wait { call: u64, op: Op, pass: Pass },
    Settle(CallOutcome),
}

/// A call on its way to the gateway.
#[derive(Debug)]
struct Sent {
    call: u64,
    op: Op,
    key: PaymentId,
    order: usize,
}

#[derive(Debug)]
pub(crate) struct World {
    epoch: Instant,
    pub(crate) now: Duration,
    pub(crate) first_stock: [i64; 2],
    pub(crate) stock: [i64; 2],
    pub(crate) orders: Vec<Order>,
    pub(crate) gateway: Gateway,
    pub(crate) sights: Sights,
    messages: Vec<Message>,
    /// Orders whose checkouts are locked by somebody who asks to cancel.
    asking: Vec<usize>,
    hands: Vec<Hand>,
    wire: Vec<Sent>,
    /// Silent calls that open a breaker.
    failures: u32,
    breakers: [Breaker; 2],
    minted: u64,
}

pub(crate) fn product(number: usize) -> ProductId {
    ProductId::from_uuid(Uuid::from_u128(number as u128))
}

fn breaker(failures: u32) -> Breaker {
    Breaker::new(BreakerLimits { failures, ..BreakerLimits::default() })
}

fn pick<T>(list: &[T], number: u8) -> Option<usize> {
    (!list.is_empty()).then(|| usize::from(number) % list.len())
}

impl World {
    pub(crate) fn new(stock: [i64; 2], failures: u32) -> Self {
        Self {
            epoch: Instant::now(),
            now: Duration::ZERO,
            first_stock: stock,
            stock,
            orders: Vec::new(),
            gateway: Gateway::default(),
            sights: Sights::default(),
            messages: Vec::new(),
            asking: Vec::new(),
            hands: Vec::new(),
            wire: Vec::new(),
            failures,
            breakers: [breaker(failures), breaker(failures)],
            minted: 0,
        }
    }

    pub(crate) fn step(&mut self, event: &Event) {
        match event {
            Event::Checkout { quantities, declined } => self.check_out(*quantities, *declined),
            Event::Deliver { worker, messages } => self.deliver_some(*worker, messages),
            Event::Double(number) => {
                if let Some(at) = pick(&self.messages, *number) {
                    self.messages.push(self.messages[at]);
                }
            }
            Event::Lose(number) => {
                if let Some(at) = pick(&self.messages, *number) {
                    self.messages.swap_remove(at);
                }
            }
            Event::Call(number) => {
                self.pick_hand(*number, |step| matches!(step, Step::Call { .. }), Self::call);
            }
            Event::Arrive { call, answered } => {
                if let Some(at) = pick(&self.wire, *call) {
                    self.arrive(at, *answered);
                }
            }
            Event::TurnAway(number) => {
                if let Some(at) = pick(&self.wire, *number) {
                    self.turn_away(at);
                }
            }
            Event::TimeOut(number) => {
                self.pick_hand(*number, |step| matches!(step, Step::Wait { .. }), Self::time_out);
            }
            Event::Silence { order, tries } => self.keep_silent_to(*order, *tries),
            Event::Settle(number) => {
                self.pick_hand(*number, |step| matches!(step, Step::Settle(_)), Self::settle);
            }
            Event::SettleTwice(number) => {
                let ready = |step: &Step| matches!(step, Step::Settle(_));
                self.pick_hand(*number, ready, Self::settle_twice);
            }
            Event::Crash(worker) => self.crash(*worker),
            Event::Ask(number) => {
                if let Some(at) = pick(&self.orders, *number) {
                    self.ask(at);
                }
            }
            Event::Note(number) => {
                if let Some(at) = pick(&self.asking, *number) {
                    self.note(at);
                }
            }
            Event::Admin(number, step) => {
                if let Some(at) = pick(&self.orders, *number) {
                    self.advance(at, *step);
                }
            }
            Event::MoveOn(number) => self.move_on(*number),
            Event::Sweep => self.sweep(),
            Event::Wait(time) => self.now += *time,
        }
    }

    fn pick_hand(&mut self, number: u8, ready: fn(&Step) -> bool, then: fn(&mut Self, usize)) {
        let ready: Vec<usize> =
            (0..self.hands.len()).filter(|at| ready(&self.hands[*at].step)).collect();
        if let Some(at) = pick(&ready, number) {
            then(self, ready[at]);
        }
    }

    fn check_out(&mut self, quantities: [u32; 2], declined: bool) {
        let order = self.orders.len();
        let lines = quantities.into_iter().enumerate().filter(|(_, quantity)| *quantity > 0);
        let lines = lines.map(|(number, quantity)| SnapshotLine {
            product_id: product(number),
            sku: number.to_string(),
            name: String::new(),
            quantity,
            price: 1,
        });
        self.orders.push(Order {
            lines: lines.collect(),
            declined,
            consumed: false,
            wake: Some(self.now + WAKE),
            row: None,
            payment: None,
            wish: None,
            silent_calls: 0,
            first_silence: None,
            barred_for: Duration::ZERO,
        });
        self.messages.push(Message { kind: Kind::Checkout, order });
    }

    fn deliver_some(&mut self, worker: usize, numbers: &[u8]) {
        let mut batch = Vec::new();
        for number in numbers {
            // A checkout that is locked is waited for.
            let free = |at: &usize| !self.asking.contains(&self.messages[*at].order);
            let free: Vec<usize> = (0..self.messages.len()).filter(free).collect();
            if let Some(at) = pick(&free, *number) {
                batch.push(self.messages.swap_remove(free[at]));
            }
        }
        self.deliver(worker, &batch);
    }

    /// As `ordermill_common::cancellation::ask` does: it locks the checkout, and reads the order without a
    /// lock, so that the order can be settled and moved before the wish is there.
    fn ask(&mut self, at: usize) {
        let order = &self.orders[at];
        let open = order.wish.is_none() && !self.asking.contains(&at);
        if open && order.status().may(Move::Cancel) {
            self.asking.push(at);
        }
    }

    fn note(&mut self, asked: usize) {
        let order = self.asking.swap_remove(asked);
        self.orders[order].wish = Some(Wish { outcome: None, wake: Some(self.now + WAKE) });
        self.messages.push(Message { kind: Kind::Cancel, order });
    }

    fn move_on(&mut self, number: u8) {
        let movable = |order: &Order| match order.status() {
            Status::Paid => Some(Move::Pack),
            Status::Packed => Some(Move::Ship),
            Status::Shipped => Some(Move::Deliver),
            _ => None,
        };
        let moves: Vec<(usize, Move)> = (0..self.orders.len())
            .filter_map(|at| movable(&self.orders[at]).map(|step| (at, step)))
            .collect();
        if let Some(at) = pick(&moves, number) {
            self.advance(moves[at].0, moves[at].1);
        }
    }

    /// As `ordermill_common::order::advance` does.
    fn advance(&mut self, at: usize, step: Move) {
        let order = &mut self.orders[at];
        let waits = order.wish.is_some_and(|wish| wish.outcome.is_none());
        let Some(row) = order.row.as_mut().filter(|_| !waits) else { return };
        if let Ok(Applied::Now(status)) = row.status.apply(step) {
            *row = OrderRow { status, version: row.version + 1, ..*row };
            self.sights.delivered += u64::from(status == Status::Delivered);
        }
    }

    fn sweep(&mut self) {
        let (now, next) = (self.now, self.now + WAKE);
        let due = |wake: &mut Option<Duration>| {
            let is_due = wake.is_some_and(|wake| wake <= now);
            if is_due {
                *wake = Some(next);
            }
            is_due
        };
        for (number, order) in self.orders.iter_mut().enumerate() {
            let mut kinds = Vec::new();
            if order.wish.as_mut().is_some_and(|wish| due(&mut wish.wake)) {
                kinds.push(Kind::Cancel);
            }
            if due(&mut order.wake) {
                kinds.push(Kind::Checkout);
            }
            if order.payment.as_mut().is_some_and(|payment| due(&mut payment.wake)) {
                kinds.push(Kind::Checkout);
            }
            self.messages.extend(kinds.into_iter().map(|kind| Message { kind, order: number }));
        }
    }

    /// The broker hands out again what the worker held.
    fn crash(&mut self, worker: usize) {
        self.breakers[worker] = breaker(self.failures);
        let (dead, alive) = std::mem::take(&mut self.hands)
            .into_iter()
            .partition::<Vec<_>, _>(|hand| hand.worker == worker);
        self.hands = alive;
        for hand in dead {
            self.sights.crash_before_settle += u64::from(matches!(hand.step, Step::Settle(_)));
            self.messages.push(hand.message);
        }
    }
}

impl Order {
    /// Where its buyer sees it.
    pub(crate) fn status(&self) -> Status {
        self.row.map_or(Status::Accepted, |row| row.status)
    }

    pub(crate) fn version(&self) -> i64 {
        self.row.map_or(1, |row| row.version)
    }

    /// How many of a product it is for.
    pub(crate) fn quantity(&self, number: usize) -> i64 {
        let lines = self.lines.iter().filter(|line| line.product_id == product(number));
        lines.map(|line| i64::from(line.quantity)).sum()
    }
}

fn order_id(number: usize) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number as u128))
}

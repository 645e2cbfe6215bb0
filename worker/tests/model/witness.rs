//! The reference: what a buyer who polls, a shelf that is counted and the gateway's own books allow. It knows
//! none of the tables of the code; what may follow what is written down here once more, by hand.

use std::time::Duration;

use ordermill_common::cancellation::Outcome;
use ordermill_common::id::PaymentId;
use ordermill_common::order::Status;
use ordermill_common::payment::PaymentStatus;

use crate::world::{Order, World};

/// What was last seen of an order.
#[derive(Debug, Clone, Copy)]
struct Seen {
    version: i64,
    status: Status,
    payment: Option<(PaymentId, PaymentStatus)>,
    decided: Option<Outcome>,
}

#[derive(Debug, Default)]
pub(crate) struct Witness {
    orders: Vec<Seen>,
}

const FIRST: Seen = Seen { version: 1, status: Status::Accepted, payment: None, decided: None };

impl Witness {
    /// Looks after every event.
    pub(crate) fn look(&mut self, world: &World) {
        self.orders.resize(world.orders.len(), FIRST);
        count_the_shelves(world);
        for (seen, order) in self.orders.iter_mut().zip(&world.orders) {
            let now = Seen {
                version: order.version(),
                status: order.status(),
                payment: order.payment.map(|payment| (payment.id, payment.status)),
                decided: order.wish.and_then(|wish| wish.outcome),
            };
            buyer_sees(*seen, now);
            payment_moves(seen.payment, now.payment);
            wish_is_decided(*seen, now);
            given_up_in_time(world.now, *seen, now, order);
            books_agree(world, order);
            something_wakes(order);
            *seen = now;
        }
    }
}

/// Looks when nothing is left to do.
pub(crate) fn ended_right(world: &World) {
    for order in &world.orders {
        let status = order.status();
        assert!(
            !matches!(status, Status::Accepted | Status::Reserved),
            "an order that never ended: {order:?}"
        );
        let held = order.payment.map_or(0, |payment| money(world, payment.id));
        assert_eq!(held, u32::from(is_sold(status)), "money of an order that is {status}");
        if let Some(payment) = order.payment {
            let ended = matches!(
                payment.status,
                PaymentStatus::Captured | PaymentStatus::Declined | PaymentStatus::Voided
            );
            assert!(ended, "a payment that never ended: {order:?}");
        }
        let undecided = order.wish.is_some_and(|wish| wish.outcome.is_none());
        assert!(!undecided, "a cancellation that was never decided: {order:?}");
    }
}

fn is_sold(status: Status) -> bool {
    matches!(status, Status::Paid | Status::Packed | Status::Shipped | Status::Delivered)
}

/// Captures under this key that nobody undid.
fn money(world: &World, key: PaymentId) -> u32 {
    let account = world.gateway.account(key);
    if account.voided { 0 } else { account.captures }
}

/// Never oversold; nothing gets lost, and nothing comes back twice.
fn count_the_shelves(world: &World) {
    for number in 0..2 {
        let left = world.stock[number];
        assert!(left >= 0, "oversold by {}", -left);
        let holders = world
            .orders
            .iter()
            .filter(|order| is_sold(order.status()) || order.status() == Status::Reserved);
        let held: i64 = holders.map(|order| order.quantity(number)).sum();
        assert_eq!(left + held, world.first_stock[number], "the stock equation");
    }
}

/// The version grows by one with each change, and a status is followed only by one that may follow.
fn buyer_sees(before: Seen, now: Seen) {
    use Status::{
        Accepted, Cancelled, Delivered, Packed, Paid, PaymentFailed, Rejected, Reserved, Shipped,
    };
    let refused = before.decided.is_none() && now.decided == Some(Outcome::Refused);
    let changed = before.status != now.status || refused;
    assert_eq!(now.version, before.version + i64::from(changed), "{before:?} -> {now:?}");
    if before.status == now.status {
        return;
    }
    let next: &[Status] = match before.status {
        Accepted => &[Reserved, Rejected, Cancelled],
        Reserved => &[Paid, PaymentFailed, Cancelled],
        Paid => &[Packed, Cancelled],
        Packed => &[Shipped, Cancelled],
        Shipped => &[Delivered],
        Delivered | Rejected | PaymentFailed | Cancelled => &[],
    };
    assert!(next.contains(&now.status), "a buyer sees {} after {}", now.status, before.status);
}

/// One key for life, and an ended payment stays as it is, but for a capture that is undone.
fn payment_moves(
    before: Option<(PaymentId, PaymentStatus)>,
    now: Option<(PaymentId, PaymentStatus)>,
) {
    use PaymentStatus::{Captured, Declined, Pending, VoidDue, Voided};
    let (Some((key, before)), Some((new_key, now))) = (before, now) else {
        assert!(before.is_none(), "a payment is gone");
        return;
    };
    assert_eq!(key, new_key, "another key");
    let next: &[PaymentStatus] = match before {
        Pending => &[Captured, Declined, VoidDue],
        Captured => &[VoidDue],
        VoidDue => &[Voided],
        Declined | Voided => &[],
    };
    assert!(before == now || next.contains(&now), "a payment is {now} after {before}");
}

/// Once, for good, and refused only to an order that was on its way or had ended without goods.
fn wish_is_decided(before: Seen, now: Seen) {
    if before.decided.is_some() {
        assert_eq!(before.decided, now.decided, "a decision that changed");
    }
    match now.decided {
        Some(Outcome::Cancelled) => assert_eq!(now.status, Status::Cancelled),
        Some(Outcome::Refused) => {
            let beyond = matches!(
                now.status,
                Status::Shipped | Status::Delivered | Status::Rejected | Status::PaymentFailed
            );
            assert!(beyond, "a cancellation was refused to an order that is {}", now.status);
        }
        None => assert_ne!(now.status, Status::Cancelled, "nobody asked for that"),
    }
}

/// An order without a verdict is given up after five silent calls, or half a minute after the first, and not
/// before. Half a minute without a call counts only while the gateway answers nobody.
fn given_up_in_time(time: Duration, before: Seen, now: Seen, order: &Order) {
    let Some(payment) = order.payment else { return };
    let given_up = before.status == Status::Reserved
        && now.status == Status::PaymentFailed
        && payment.status != PaymentStatus::Declined;
    let age = time.saturating_sub(payment.created);
    let asked = order.first_silence.map_or(Duration::ZERO, |first| time.saturating_sub(first));
    let waited = asked.max(age.min(order.barred_for));
    assert!(
        !given_up || order.silent_calls >= 5 || waited >= Duration::from_secs(30),
        "given up after {} calls and {waited:?} of {age:?}",
        order.silent_calls
    );
    assert!(payment.attempts <= order.silent_calls, "a call was counted that nobody made");
    let asks_on = payment.status == PaymentStatus::Pending;
    assert!(!asks_on || payment.attempts < 5, "not given up after {} calls", payment.attempts);
}

/// What our books say of the payment is what the gateway's books say.
fn books_agree(world: &World, order: &Order) {
    let status = order.status();
    let Some(payment) = order.payment else {
        let without = matches!(status, Status::Accepted | Status::Rejected | Status::Cancelled);
        assert!(without, "no payment of an order that is {status}");
        return;
    };
    let (account, held) = (world.gateway.account(payment.id), money(world, payment.id));
    assert!(account.captures <= 1, "captured twice");
    if is_sold(status) {
        assert_eq!(held, 1, "an order that is {status} without money");
        assert_eq!(payment.status, PaymentStatus::Captured);
    }
    if matches!(status, Status::Cancelled | Status::PaymentFailed) {
        let given_back = matches!(
            payment.status,
            PaymentStatus::Declined | PaymentStatus::VoidDue | PaymentStatus::Voided
        );
        assert!(given_back, "an order that is {status} keeps a payment that is {}", payment.status);
    }
    match payment.status {
        PaymentStatus::Captured => assert_eq!(held, 1, "a capture that the gateway does not know"),
        PaymentStatus::Declined => assert_eq!(held, 0, "declined, and the money is taken"),
        PaymentStatus::Voided => assert!(account.voided, "a void that the gateway does not know"),
        PaymentStatus::Pending | PaymentStatus::VoidDue => {}
    }
}

/// Everything unfinished has a wake-up, so that no message is needed to bring it back.
fn something_wakes(order: &Order) {
    assert_eq!(order.consumed, order.wake.is_none(), "a checkout's wake-up");
    if let Some(payment) = order.payment {
        assert_eq!(payment.status.is_unfinished(), payment.wake.is_some(), "a payment's wake-up");
    }
    if let Some(wish) = order.wish {
        assert_eq!(wish.outcome.is_none(), wish.wake.is_some(), "a cancellation's wake-up");
    }
}

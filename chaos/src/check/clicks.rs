//! Double clicks: together the two calls buy once.
//!
//! With a key that is so because the key is looked up first. Without one a click buys what the cart holds when it
//! arrives. The first empties the cart, so the second may only buy what came into it since, which is one change of
//! the cart more. Three things come into it:
//!
//! - the lines of an order of the same buyer that was given up ([`PutBack`]);
//! - a line that the buyer's call brings late, after the buyer gave it up ([`DoubleClick::loose`]);
//! - when the click itself comes late, what its buyer orders next.

mod put_back;

use std::collections::HashMap;

use ordermill_common::id::OrderId;

use self::put_back::PutBack;
use super::store::Row;
use crate::testimony::{DoubleClick, Told};

/// When a worker first decided of each order, in milliseconds of Unix time, by that worker's clock.
pub(super) type Decided = HashMap<OrderId, i64>;

/// Every double click has bought once, or something came into the cart in between; what was accepted for one of
/// the calls was not refused to the other.
pub(super) fn check(told: &Told, rows: &[Row], decided: &Decided, violations: &mut Vec<String>) {
    let put_back = PutBack::by(told, rows);
    refused(told, rows, &put_back, violations);
    for (click, mut bought) in told.clicks.iter().zip(bought(told, rows, violations)) {
        bought.sort_by_key(|row| (version(row), row.order_id));
        for pair in bought.windows(2) {
            let [first, second] = pair else { continue };
            let is_explained = has_changed_twice(first, second)
                && (put_back.explains(second, click) || may_be_late(second, click, decided));
            if !is_explained {
                let (buyer, first, second) = (&click.buyer, first.order_id, second.order_id);
                let words = format!("a double click of {buyer} bought {first} and {second}");
                violations.push(format!("DOUBLED: {words}"));
            }
        }
    }
}

/// The clicks of which one was accepted and one refused. Nobody knows which came first: the other may have found
/// the cart empty, if all that this one bought was put back just then.
fn refused(told: &Told, rows: &[Row], put_back: &PutBack<'_>, violations: &mut Vec<String>) {
    let stored: HashMap<String, &Row> =
        rows.iter().map(|row| (row.order_id.to_string(), row)).collect();
    for click in &told.clicks {
        let Some(status) = click.refused.first() else { continue };
        for row in click.named.iter().filter_map(|order| stored.get(order)) {
            if !put_back.explains(row, click) {
                let (order, buyer) = (row.order_id, &click.buyer);
                let words = format!("{order} was accepted for one click of {buyer}");
                violations.push(format!("{words}, and {status} answered the other"));
            }
        }
    }
}

/// What each double click without a key has bought: the orders that its answers named, and those that no answer
/// named and that began after it and before its buyer's next.
fn bought<'a>(told: &Told, rows: &'a [Row], violations: &mut Vec<String>) -> Vec<Vec<&'a Row>> {
    let mut named = HashMap::<&str, Vec<usize>>::new();
    let mut of_buyers = HashMap::<&str, Vec<usize>>::new();
    for (place, click) in told.clicks.iter().enumerate().filter(|(_, click)| !click.is_keyed) {
        of_buyers.entry(&click.buyer).or_default().push(place);
        for order in &click.named {
            named.entry(order).or_default().push(place);
        }
    }
    let mut bought = vec![Vec::new(); told.clicks.len()];
    let mut kept = HashMap::<&str, usize>::new();
    for row in rows {
        let is_keyless = !row.idempotency_key.starts_with("h:");
        let clicks = of_buyers.get(row.email.as_str()).map_or(&[][..], Vec::as_slice);
        *kept.entry(&row.email).or_default() += usize::from(is_keyless);
        if let Some(places) = named.get(row.order_id.to_string().as_str()) {
            for place in places {
                bought[*place].push(row);
            }
        } else if is_keyless {
            let begun = |place: &usize| told.clicks[*place].began.ms <= minted(row.order_id);
            let last = clicks.partition_point(begun).saturating_sub(1);
            if let Some(place) = clicks.get(last) {
                bought[*place].push(row);
            }
        }
    }
    for (buyer, orders) in kept {
        // Each of the two calls buys once at most.
        let clicked = 2 * of_buyers.get(buyer).map_or(0, Vec::len);
        if orders > clicked {
            violations
                .push(format!("DOUBLED: {buyer} clicked {clicked} times and has {orders} orders"));
        }
    }
    bought
}

/// Whether the cart has changed by more than its being emptied by the first; an order with a key does not say.
fn has_changed_twice(first: &Row, second: &Row) -> bool {
    let versions = version(first).zip(version(second));
    versions.is_none_or(|(first, second)| first.abs_diff(second) >= 2)
}

/// Whether the order may have been bought out of what its buyer put into the cart after the clicks.
fn may_be_late(order: &Row, click: &DoubleClick, decided: &Decided) -> bool {
    let Some(next) = click.filled_again else { return false };
    // A worker decides after the commit; one that does so before the call has a wrong clock.
    let is_before = |at: &i64| (minted(order.order_id)..next.ms).contains(at);
    let is_settled = decided.get(&order.order_id).is_some_and(is_before);
    !is_settled && !click.named.contains(&order.order_id.to_string())
}

/// When the call was made that the order was accepted for, in milliseconds of Unix time.
fn minted(order: OrderId) -> i64 {
    i64::try_from(order.uuid().as_u128() >> 80).expect("48 bits of a UUIDv7 are its time")
}

/// The version of the cart that was bought without a key.
fn version(row: &Row) -> Option<u64> {
    row.idempotency_key.strip_prefix("c:")?.parse().ok()
}

#[cfg(test)]
mod tests;

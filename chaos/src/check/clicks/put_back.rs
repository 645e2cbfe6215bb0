//! What orders that were given up have put back into their buyers' carts.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::minted;
use crate::check::store::Row;
use crate::testimony::{DoubleClick, Seen, Told};

const GIVEN_UP: [&str; 2] = ["rejected", "payment_failed"];

#[derive(Deserialize)]
struct Line {
    product_id: String,
    quantity: u64,
}

type Lines = BTreeMap<String, u64>;

/// The orders that were given up, of each buyer, and what was seen of them.
pub(super) struct PutBack<'a> {
    told: &'a Told,
    of_buyers: HashMap<&'a str, Vec<&'a Row>>,
}

impl<'a> PutBack<'a> {
    pub(super) fn by(told: &'a Told, rows: &'a [Row]) -> Self {
        let mut of_buyers = HashMap::<_, Vec<_>>::new();
        for row in rows {
            if row.status.as_deref().is_some_and(is_given_up) {
                of_buyers.entry(row.email.as_str()).or_default().push(row);
            }
        }
        Self { told, of_buyers }
    }

    /// Whether everything that the order bought may have come into an empty cart while the clicks were made.
    pub(super) fn explains(&self, order: &Row, click: &DoubleClick) -> bool {
        let all = lines(order);
        let wanted = without_loose(&all, click);
        let mut back = Lines::new();
        let others = self.of_buyers.get(order.email.as_str()).into_iter().flatten();
        for other in others.filter(|other| self.may_lie_between(other, order, click)) {
            let lines = without_loose(&lines(other), click);
            // Nothing takes a line out again but an order, which takes them all.
            if covers(&wanted, &lines) {
                for (product, pieces) in lines {
                    *back.entry(product).or_default() += pieces;
                }
            }
        }
        !all.is_empty() && covers(&back, &wanted)
    }

    /// Whether the other order may have been given up after the clicks began and before this one was accepted.
    /// That goes by the looks of its buyer, who makes one call after the other: the times of its history are
    /// those of a call that may have been tried for long, by a clock that may be wrong.
    fn may_lie_between(&self, other: &Row, order: &Row, click: &DoubleClick) -> bool {
        let looks = self.told.seen.get(&other.order_id.to_string());
        let mut looks = looks.into_iter().flatten();
        let is_named = click.named.contains(&order.order_id.to_string());
        let speaks_against = |seen: &Seen| {
            if is_given_up(&seen.status) {
                seen.at < click.began.at && !self.told.may_be_taken_back(seen)
            } else {
                is_named && seen.at > click.ended
            }
        };
        let is_earlier = click.filled_again.is_none_or(|next| minted(other.order_id) < next.ms);
        other.order_id != order.order_id && is_earlier && !looks.any(speaks_against)
    }
}

fn is_given_up(status: &str) -> bool {
    GIVEN_UP.contains(&status)
}

/// Whether the first holds all that the second does.
fn covers(all: &Lines, some: &Lines) -> bool {
    some.iter().all(|(product, pieces)| all.get(product).is_some_and(|all| all >= pieces))
}

/// The lines that only an order can have put back.
fn without_loose(lines: &Lines, click: &DoubleClick) -> Lines {
    let firm = lines.iter().filter(|(product, _)| !click.loose.contains(*product));
    firm.map(|(product, pieces)| (product.clone(), *pieces)).collect()
}

/// What the order was to buy; nothing, if that cannot be read.
fn lines(row: &Row) -> Lines {
    let lines: Vec<Line> = serde_json::from_str(&row.lines).unwrap_or_default();
    lines.into_iter().map(|line| (line.product_id, line.quantity)).collect()
}

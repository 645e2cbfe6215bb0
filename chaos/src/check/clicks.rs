//! Double clicks without a key that were answered with two orders.
//!
//! A click buys what the cart holds when it arrives. The first empties it, so the second may only buy what an
//! order of the same buyer has put back in between, because it was given up. That is two changes of the cart.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::store::Row;

const GIVEN_UP: [&str; 2] = ["rejected", "payment_failed"];

#[derive(Deserialize)]
struct Line {
    product_id: String,
    quantity: u64,
}

type Lines = BTreeMap<String, u64>;

/// What the buyers' orders have put back into their carts.
pub(super) struct PutBack<'a> {
    of_buyers: HashMap<&'a str, Vec<Lines>>,
}

impl<'a> PutBack<'a> {
    pub(super) fn by(rows: &'a [Row]) -> Self {
        let mut of_buyers = HashMap::<_, Vec<_>>::new();
        for row in rows {
            if row.status.as_deref().is_some_and(|status| GIVEN_UP.contains(&status)) {
                of_buyers.entry(row.email.as_str()).or_default().push(lines(row));
            }
        }
        Self { of_buyers }
    }

    /// Whether the later of the two orders holds lines that were put back after the earlier took its own.
    pub(super) fn explains(&self, one: &Row, other: &Row) -> bool {
        let (Some(first), Some(second)) = (version(one), version(other)) else { return false };
        let later = lines(if first < second { other } else { one });
        let holds = |back: &Lines| {
            let fits = |(product, pieces)| later.get(product).is_some_and(|all| all >= pieces);
            !back.is_empty() && back.iter().all(fits)
        };
        let put_back = self.of_buyers.get(one.email.as_str());
        first.abs_diff(second) >= 2 && put_back.is_some_and(|orders| orders.iter().any(holds))
    }
}

/// What the order was to buy; nothing, if that cannot be read.
fn lines(row: &Row) -> Lines {
    let lines: Vec<Line> = serde_json::from_str(&row.lines).unwrap_or_default();
    lines.into_iter().map(|line| (line.product_id, line.quantity)).collect()
}

/// The version of the cart that was bought without a key.
fn version(row: &Row) -> Option<u64> {
    row.idempotency_key.strip_prefix("c:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use ordermill_common::id::OrderId;

    use super::*;

    fn row(key: &str, status: &str, lines: &[(&str, u64)]) -> Row {
        let line = |(product_id, quantity): &(&str, u64)| serde_json::json!({"product_id": product_id, "quantity": quantity});
        Row {
            order_id: OrderId::mint(),
            email: "buyer@chaos.example".to_owned(),
            idempotency_key: key.to_owned(),
            lines: lines.iter().map(line).collect::<serde_json::Value>().to_string(),
            status: Some(status.to_owned()),
            reason: None,
            payment_id: None,
        }
    }

    /// Whether the pair, the last two of the rows, is explained.
    fn explained(rows: &[Row]) -> bool {
        let [.., one, other] = rows else { panic!("a pair") };
        let put_back = PutBack::by(rows);
        assert_eq!(put_back.explains(one, other), put_back.explains(other, one));
        put_back.explains(one, other)
    }

    #[test]
    fn a_second_click_may_buy_what_was_put_back_since_the_first() {
        let earlier = || row("h:key", "payment_failed", &[("mug", 1)]);
        let first = || row("c:7", "paid", &[("mug", 2), ("cup", 1)]);
        assert!(explained(&[earlier(), first(), row("c:9", "paid", &[("mug", 1)])]));
        assert!(explained(&[
            row("c:7", "rejected", &[("mug", 1)]),
            row("c:9", "paid", &[("mug", 1)])
        ]));
    }

    #[test]
    fn two_orders_of_the_same_lines_are_a_double() {
        let first = || row("c:7", "paid", &[("mug", 1)]);
        assert!(!explained(&[first(), row("c:9", "paid", &[("mug", 1)])]));
        // The cart was not emptied in between, or something else was put back.
        let earlier = |lines| row("h:key", "rejected", lines);
        assert!(!explained(&[earlier(&[("mug", 1)]), first(), row("c:8", "paid", &[("mug", 1)])]));
        assert!(!explained(&[earlier(&[("cup", 1)]), first(), row("c:9", "paid", &[("mug", 1)])]));
        assert!(!explained(&[earlier(&[("mug", 2)]), first(), row("c:9", "paid", &[("mug", 1)])]));
        assert!(!explained(&[earlier(&[]), first(), row("c:9", "paid", &[("mug", 1)])]));
        let mut strangers = earlier(&[("mug", 1)]);
        strangers.email = "stranger@chaos.example".to_owned();
        assert!(!explained(&[strangers, first(), row("c:9", "paid", &[("mug", 1)])]));
    }
}

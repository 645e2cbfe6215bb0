use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::types::Uuid;

use super::*;
use crate::testimony::{Moment, Seen};

const BUYER: &str = "buyer@chaos.example";

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// So many milliseconds from the start.
fn moment(ms: u32) -> Moment {
    Moment { at: *START + Duration::from_millis(ms.into()), ms: ms.into() }
}

/// An order whose call was made then.
fn order(ms: u32, key: &str, status: &str, lines: &[(&str, u64)]) -> Row {
    let random = OrderId::mint().uuid().as_u128() & ((1 << 80) - 1);
    let id = Uuid::from_u128((u128::from(ms) << 80) | random);
    let line = |(product_id, quantity): &(&str, u64)| json!({"product_id": product_id, "quantity": quantity});
    Row {
        order_id: OrderId::from_uuid(id),
        email: BUYER.to_owned(),
        idempotency_key: key.to_owned(),
        lines: lines.iter().map(line).collect::<Value>().to_string(),
        status: Some(status.to_owned()),
        reason: None,
        payment_id: None,
    }
}

/// A click without a key from 1000 to 1100, after which the cart was filled at 2000.
fn click(named: &[&Row]) -> DoubleClick {
    DoubleClick {
        buyer: BUYER.to_owned(),
        is_keyed: false,
        began: moment(1_000),
        ended: moment(1_100).at,
        filled_again: Some(moment(2_000)),
        loose: BTreeSet::new(),
        named: named.iter().map(|row| row.order_id.to_string()).collect(),
        refused: Vec::new(),
    }
}

fn told(clicks: Vec<DoubleClick>) -> Told {
    Told { clicks, ..Told::default() }
}

fn saw(told: &mut Told, row: &Row, ms: u32, status: &str) {
    let seen = Seen { version: 2, status: status.to_owned(), at: moment(ms).at };
    told.seen.entry(row.order_id.to_string()).or_default().push(seen);
}

fn found(told: &Told, rows: &[Row], decided: &Decided) -> usize {
    let mut violations = Vec::new();
    check(told, rows, decided, &mut violations);
    violations.len()
}

/// Whether it is fine that a click bought the last two of the rows, and was told so.
fn is_explained(rows: &[Row]) -> bool {
    let [.., one, other] = rows else { panic!("a pair") };
    found(&told(vec![click(&[one, other])]), rows, &Decided::new()) == 0
}

#[test]
fn a_second_click_may_buy_what_was_put_back_since_the_first() {
    let earlier = || order(500, "h:key", "payment_failed", &[("mug", 1)]);
    let first = || order(1_001, "c:7", "paid", &[("mug", 2), ("cup", 1)]);
    assert!(is_explained(&[earlier(), first(), order(1_002, "c:9", "paid", &[("mug", 1)])]));
    // By two orders at once, and by the first itself.
    let again = order(600, "h:other", "rejected", &[("mug", 1), ("cup", 1)]);
    let both = order(1_002, "c:9", "paid", &[("mug", 2), ("cup", 1)]);
    assert!(is_explained(&[earlier(), again, first(), both]));
    assert!(is_explained(&[
        order(1_002, "c:7", "rejected", &[("mug", 1)]),
        order(1_001, "c:9", "paid", &[("mug", 1)])
    ]));
}

#[test]
fn two_orders_of_the_same_lines_are_a_double() {
    let first = || order(1_001, "c:7", "paid", &[("mug", 1)]);
    let second = |key| order(1_002, key, "paid", &[("mug", 1)]);
    assert!(!is_explained(&[first(), second("c:9")]));
    // The cart was not emptied in between, or something else was put back.
    let earlier = |lines| order(500, "h:key", "rejected", lines);
    assert!(!is_explained(&[earlier(&[("mug", 1)]), first(), second("c:8")]));
    assert!(!is_explained(&[earlier(&[("cup", 1)]), first(), second("c:9")]));
    assert!(!is_explained(&[earlier(&[("mug", 2)]), first(), second("c:9")]));
    assert!(!is_explained(&[earlier(&[]), first(), second("c:9")]));
    let more = order(1_002, "c:9", "paid", &[("mug", 1), ("cup", 1)]);
    assert!(!is_explained(&[earlier(&[("mug", 1)]), first(), more]));
    let mut strangers = earlier(&[("mug", 1)]);
    strangers.email = "stranger@chaos.example".to_owned();
    assert!(!is_explained(&[strangers, first(), second("c:9")]));
}

#[test]
fn what_was_put_back_before_or_after_explains_nothing() {
    let rows = [
        order(500, "h:key", "rejected", &[("mug", 1)]),
        order(1_001, "c:7", "paid", &[("mug", 1)]),
        order(1_002, "c:9", "paid", &[("mug", 1)]),
    ];
    let [earlier, first, second] = &rows;
    let seen = |ms, status| {
        let mut told = told(vec![click(&[first, second])]);
        saw(&mut told, earlier, ms, status);
        found(&told, &rows, &Decided::new())
    };
    assert_eq!(seen(900, "reserved"), 0);
    assert_eq!(seen(900, "rejected"), 1);
    assert_eq!(seen(1_050, "rejected"), 0);
    assert_eq!(seen(1_200, "rejected"), 0);
    assert_eq!(seen(1_200, "reserved"), 1);
}

#[test]
fn a_lost_answer_hides_no_double() {
    let rows =
        [order(1_001, "c:7", "paid", &[("mug", 1)]), order(1_002, "c:9", "paid", &[("mug", 1)])];
    let [first, second] = &rows;
    let decided = |ms| Decided::from([(second.order_id, ms)]);
    let answers: [&[&Row]; 3] = [&[], &[first], &[second]];
    for named in answers {
        assert_eq!(found(&told(vec![click(named)]), &rows, &decided(1_500)), 1, "{named:?}");
    }
    // It may have bought what was to be ordered next, unless it was answered before that was there.
    for late in [decided(2_000), decided(0), Decided::new()] {
        assert_eq!(found(&told(vec![click(&[first])]), &rows, &late), 0);
        assert_eq!(found(&told(vec![click(&[second])]), &rows, &late), 1);
    }
    let last = DoubleClick { filled_again: None, ..click(&[first]) };
    assert_eq!(found(&told(vec![last]), &rows, &decided(2_000)), 1);
}

#[test]
fn each_click_has_its_own_order() {
    let later = || DoubleClick { began: moment(3_000), filled_again: None, ..click(&[]) };
    let row = |ms, key| order(ms, key, "paid", &[("mug", 1)]);
    let clicks = || told(vec![click(&[]), later()]);
    assert_eq!(found(&clicks(), &[row(1_001, "c:7"), row(3_001, "c:9")], &Decided::new()), 0);
    assert_eq!(found(&clicks(), &[row(3_001, "c:7"), row(3_002, "c:9")], &Decided::new()), 1);
    // Nobody clicked, or not that often.
    assert_eq!(found(&told(vec![]), &[row(1_001, "c:7")], &Decided::new()), 1);
    let three = [row(1_001, "c:7"), row(1_002, "c:9"), row(1_003, "c:11")];
    assert_eq!(found(&told(vec![click(&[])]), &three, &Decided::new()), 1);
}

#[test]
fn a_line_that_comes_late_explains_itself() {
    let rows = [
        order(500, "h:key", "rejected", &[("cup", 1)]),
        order(1_001, "c:7", "paid", &[("mug", 1)]),
        order(1_002, "c:9", "paid", &[("mug", 1), ("cup", 1)]),
    ];
    let [_, first, second] = &rows;
    let late = |product: &str| {
        let loose = BTreeSet::from([product.to_owned()]);
        told(vec![DoubleClick { loose, ..click(&[first, second]) }])
    };
    assert_eq!(found(&late("mug"), &rows, &Decided::new()), 0);
    assert_eq!(found(&late("jug"), &rows, &Decided::new()), 1);
}

#[test]
fn what_one_click_was_refused_the_other_has_only_if_it_was_put_back() {
    let earlier = order(500, "h:other", "rejected", &[("mug", 1)]);
    let rows = [earlier, order(1_001, "h:key", "paid", &[("mug", 1)])];
    let keyed = |refused| DoubleClick { is_keyed: true, refused, ..click(&[&rows[1]]) };
    assert_eq!(found(&told(vec![keyed(vec![])]), &rows[1..], &Decided::new()), 0);
    assert_eq!(found(&told(vec![keyed(vec![409])]), &rows[1..], &Decided::new()), 1);
    assert_eq!(found(&told(vec![keyed(vec![409])]), &rows, &Decided::new()), 0);
}

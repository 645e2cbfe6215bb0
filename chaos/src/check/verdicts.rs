//! Whether each order ended as its payment method, the stock and the gateway's trouble made it: an engine that
//! refuses or gives up what it could have sold loses no order, and is wrong all the same.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use ordermill_common::checkout::snapshot;
use ordermill_common::db::Db;
use ordermill_common::id::OrderId;
use ordermill_common::stock::Shortfall;
use sqlx::types::chrono::{DateTime, Utc};

use super::Expected;
use super::store::{Letter, Row};
use crate::crowd::Shelf;

/// Charges without a verdict after which an order may be given up.
const CHARGES: i64 = 5;
/// The age of a payment at which its order may be given up: the gateway may have answered nobody since.
const PATIENCE: Duration = Duration::from_secs(30);

const ENDED: &str = "\
select o.id as order_id, c.payment_method as method, o.status, o.reason, o.shortfall,
  p.created_at as asked_for,
  if(o.reason = 'gateway_unavailable',
    (select cast(count(*) as signed)
      from payment_attempts a
      where a.payment_id = p.id and a.call_kind = 'charge'),
    0) as charges
from orders o
straight_join checkouts c on c.order_id = o.id
left join payments p on p.order_id = o.id";

/// An order that a worker has made.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Ended {
    order_id: OrderId,
    method: String,
    status: String,
    reason: Option<String>,
    shortfall: Option<String>,
    /// When its payment was created, by the database's clock.
    asked_for: Option<DateTime<Utc>>,
    /// Charges without a verdict, of one that was given up.
    charges: i64,
}

/// Looks at every order but those that were broken on purpose.
pub(super) async fn check(
    db: &Db,
    rows: &[Row],
    letters: &[Letter],
    shelves: &[Shelf],
    expected: &Expected,
    violations: &mut Vec<String>,
) -> Result<()> {
    let plenty = plenty(rows, shelves);
    let given_up = given_up(letters);
    let mut orders = sqlx::query_as::<_, Ended>(ENDED).fetch(db.pool());
    while let Some(order) = orders.try_next().await? {
        if expected.broken.contains(&order.order_id.to_string()) {
            continue;
        }
        let end = given_up.get(&order.order_id).copied();
        if let Some(wrong) = wrong(&order, end, &plenty)? {
            violations.push(format!("VERDICT of {}, {}: {wrong}", order.order_id, order.method));
        }
    }
    Ok(())
}

/// The products of which no more was ordered by everybody together than there was.
fn plenty(rows: &[Row], shelves: &[Shelf]) -> BTreeSet<String> {
    let mut ordered = HashMap::<String, u64>::new();
    // What cannot be read was broken on purpose, and never takes anything.
    for line in rows.iter().filter_map(|row| snapshot::read(&row.lines).ok()).flatten() {
        *ordered.entry(line.product_id.to_string()).or_default() += u64::from(line.quantity);
    }
    let is_plenty =
        |shelf: &&Shelf| ordered.get(&shelf.product).is_none_or(|ordered| *ordered <= shelf.stock);
    shelves.iter().filter(is_plenty).map(|shelf| shelf.product.clone()).collect()
}

/// When orders were given up, by the database's clock: so says the letter that tells of it.
fn given_up(letters: &[Letter]) -> HashMap<OrderId, DateTime<Utc>> {
    let mut given_up = HashMap::new();
    for letter in letters.iter().filter(|letter| letter.source == "settle") {
        if let Some(order) = letter.order_id {
            let at = given_up.entry(order).or_insert(letter.died_at);
            *at = letter.died_at.min(*at);
        }
    }
    given_up
}

/// Says what is wrong with an order; `end` is when it was given up, if it was.
fn wrong(
    order: &Ended,
    end: Option<DateTime<Utc>>,
    plenty: &BTreeSet<String>,
) -> Result<Option<String>> {
    let declines = order.method.starts_with("tok_decline_");
    let is_silent = order.method == "tok_timeout";
    let why = match (order.status.as_str(), order.reason.as_deref()) {
        ("paid" | "packed" | "shipped" | "delivered", _) => {
            (declines || is_silent).then(|| format!("it is {}", order.status))
        }
        ("payment_failed", Some("declined")) => (!declines).then(|| "it was declined".to_owned()),
        ("payment_failed", Some("gateway_unavailable")) => {
            let waited = end.zip(order.asked_for).map(|(end, asked_for)| end - asked_for);
            let waited = waited.and_then(|waited| waited.to_std().ok()).unwrap_or_default();
            let is_patient = order.charges >= CHARGES || waited >= PATIENCE;
            (!is_patient)
                .then(|| format!("given up after {} calls and {waited:.1?}", order.charges))
        }
        ("rejected", Some("out_of_stock")) => {
            let text = order.shortfall.as_deref().unwrap_or("[]");
            let short: Vec<Shortfall> = serde_json::from_str(text).context("a shortfall")?;
            let names = |line: &Shortfall| plenty.contains(&line.product_id.to_string());
            let is_short = !short.is_empty() && !short.iter().any(names);
            (!is_short).then(|| format!("it was out of stock: {text}"))
        }
        // A wish that nobody had is found elsewhere, and so is an inner reason.
        ("cancelled", None) | ("rejected", Some("internal")) => None,
        (status, reason) => Some(format!("it is {status} for {reason:?}")),
    };
    Ok(why)
}

#[cfg(test)]
mod tests {
    use ordermill_common::checkout::SnapshotLine;
    use ordermill_common::id::ProductId;

    use super::*;

    fn ended(method: &str, status: &str, reason: Option<&str>) -> Ended {
        Ended {
            order_id: OrderId::mint(),
            method: method.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            shortfall: None,
            asked_for: Some(DateTime::UNIX_EPOCH),
            charges: 0,
        }
    }

    fn is_wrong(order: &Ended) -> bool {
        wrong(order, None, &BTreeSet::new()).unwrap().is_some()
    }

    #[test]
    fn the_gateway_says_what_the_method_makes_it_say() {
        let declined = Some("declined");
        assert!(!is_wrong(&ended("tok_approve", "packed", None)));
        assert!(!is_wrong(&ended("tok_fail_once", "cancelled", None)));
        assert!(!is_wrong(&ended("tok_decline_no", "payment_failed", declined)));
        assert!(is_wrong(&ended("tok_approve", "payment_failed", declined)));
        assert!(is_wrong(&ended("tok_decline_no", "paid", None)));
        assert!(is_wrong(&ended("tok_timeout", "paid", None)));
        assert!(is_wrong(&ended("tok_approve", "payment_failed", Some("tired"))));
    }

    #[test]
    fn nothing_is_given_up_before_the_gateway_had_its_time() {
        let given_up = |charges, seconds| {
            let given_up = ended("tok_approve", "payment_failed", Some("gateway_unavailable"));
            let end = DateTime::from_timestamp(seconds, 0);
            let wrong = wrong(&Ended { charges, ..given_up }, end, &BTreeSet::new());
            wrong.unwrap().is_some()
        };
        assert!(!given_up(5, 8));
        assert!(!given_up(1, 30));
        assert!(given_up(4, 20));
        assert!(given_up(0, 0));
    }

    #[test]
    fn only_what_was_ordered_beyond_its_stock_is_short() {
        let (scarce, full) = (ProductId::mint(), ProductId::mint());
        let line = |product_id| SnapshotLine {
            product_id,
            sku: String::new(),
            name: String::new(),
            quantity: 2,
            price: 1,
        };
        let row = || Row {
            order_id: OrderId::mint(),
            email: String::new(),
            idempotency_key: String::new(),
            lines: snapshot::write(&[line(scarce), line(full)]),
            status: None,
            reason: None,
            payment_id: None,
        };
        let shelf = |product: ProductId, stock| Shelf { product: product.to_string(), stock };
        let plenty = plenty(&[row(), row()], &[shelf(scarce, 3), shelf(full, 4)]);
        assert_eq!(plenty, BTreeSet::from([full.to_string()]));
        let is_wrong = |short: &[ProductId]| {
            let lines = short.iter().map(|product_id| Shortfall {
                product_id: *product_id,
                sku: String::new(),
                requested: 2,
                available: 1,
            });
            let shortfall = serde_json::to_string(&lines.collect::<Vec<_>>()).ok();
            let rejected = ended("tok_approve", "rejected", Some("out_of_stock"));
            wrong(&Ended { shortfall, ..rejected }, None, &plenty).unwrap().is_some()
        };
        assert!(!is_wrong(&[scarce]));
        assert!(is_wrong(&[scarce, full]));
        assert!(is_wrong(&[]));
    }
}

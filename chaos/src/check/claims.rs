//! What the clients claim, against the database and against what the API answers at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use ordermill_bench::http::Request;
use serde::Deserialize;

use super::clicks::PutBack;
use super::store::Row;
use crate::crowd::Crowd;
use crate::testimony::Told;

const HOLDING: [&str; 5] = ["reserved", "paid", "packed", "shipped", "delivered"];

#[derive(Deserialize)]
struct Order {
    status: String,
    version: u64,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    product_id: String,
    quantity: u64,
}

/// Every accepted order is there, once, for its buyer and under its key, has ended, and has not gone back;
/// nothing is there that nobody asked for.
pub(super) async fn check(
    crowd: &mut Crowd,
    rows: &[Row],
    violations: &mut Vec<String>,
) -> Result<()> {
    compare(&crowd.testimony.told(), rows, violations);
    let held = looks(crowd, rows, violations).await?;
    stock(crowd, &held, violations).await
}

fn compare(told: &Told, rows: &[Row], violations: &mut Vec<String>) {
    let stored: HashMap<String, &Row> =
        rows.iter().map(|row| (row.order_id.to_string(), row)).collect();
    let (mut keys, mut clicks) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut refused = BTreeSet::new();
    for purchase in &told.purchases {
        match &purchase.key {
            Some(key) => {
                let key = (purchase.buyer.clone(), format!("h:{key}"));
                refused.extend(purchase.is_refused.then(|| key.clone()));
                keys.insert(key);
            }
            None => *clicks.entry(purchase.buyer.clone()).or_default() += 1,
        }
        let Some(order) = &purchase.order else { continue };
        let Some(row) = stored.get(order) else {
            violations.push(format!("LOST: {order} of {} was accepted", purchase.buyer));
            continue;
        };
        let key = purchase.key.as_ref().map(|key| format!("h:{key}"));
        if row.email != purchase.buyer || key.is_some_and(|key| key != row.idempotency_key) {
            violations.push(format!("{order} belongs to another buyer or key"));
        }
    }
    let mut kept = BTreeMap::<String, usize>::new();
    for row in rows {
        let has_ended =
            row.status.as_ref().is_some_and(|status| !matches!(status.as_str(), "reserved"));
        if !has_ended {
            violations.push(format!("STUCK: {} is {:?}", row.order_id, row.status));
        }
        if row.idempotency_key.starts_with("h:") {
            let key = (row.email.clone(), row.idempotency_key.clone());
            if !keys.contains(&key) {
                violations.push(format!("{} was ordered by nobody", row.order_id));
            }
            if refused.contains(&key) {
                violations.push(format!("{} was refused to {}", row.order_id, row.email));
            }
        } else {
            *kept.entry(row.email.clone()).or_default() += 1;
        }
    }
    for (buyer, orders) in kept {
        let clicked = clicks.get(&buyer).copied().unwrap_or(0);
        if orders > clicked {
            violations
                .push(format!("DOUBLED: {buyer} clicked {clicked} times and has {orders} orders"));
        }
    }
    let put_back = PutBack::by(rows);
    for [one, other] in &told.pairs {
        let rows = stored.get(one).zip(stored.get(other));
        if !rows.is_some_and(|(one, other)| put_back.explains(one, other)) {
            violations.push(format!("DOUBLED: a double click bought {one} and {other}"));
        }
    }
}

/// A last look at every order, as its readers see it; answers the units that they hold of each product.
async fn looks(
    crowd: &mut Crowd,
    rows: &[Row],
    violations: &mut Vec<String>,
) -> Result<HashMap<String, u64>> {
    let mut held = HashMap::<String, u64>::new();
    for row in rows {
        let id = row.order_id.to_string();
        let path = format!("/v1/admin/orders/{id}");
        let request = Request::new("GET", &path);
        let order: Order = crowd.clerk.ask("last look", &id, &request).await?.read()?;
        if Some(order.status.as_str()) != row.status.as_deref() {
            let (stored, shown) = (&row.status, &order.status);
            violations.push(format!("{id} is {stored:?} in the database, {shown} to its readers"));
        }
        crowd.testimony.saw(&id, order.version, &order.status);
        if HOLDING.contains(&order.status.as_str()) {
            for line in order.lines {
                *held.entry(line.product_id).or_default() += line.quantity;
            }
        }
    }
    violations.append(&mut crowd.testimony.told().violations);
    Ok(held)
}

/// Per product: what there was, less what the orders hold, is what there is.
async fn stock(
    crowd: &mut Crowd,
    held: &HashMap<String, u64>,
    violations: &mut Vec<String>,
) -> Result<()> {
    for shelf in crowd.shelves.clone() {
        let path = format!("/v1/admin/products/{}", shelf.product);
        let request = Request::new("GET", &path);
        let reply = crowd.clerk.ask("look at stock", &shelf.product, &request).await?;
        let available = reply.body["available"].as_i64().context("no stock")?;
        let taken = held.get(&shelf.product).copied().unwrap_or(0);
        let expected = i64::try_from(shelf.stock)? - i64::try_from(taken)?;
        if available != expected || expected < 0 {
            violations.push(format!(
                "STOCK of {}: {available} left of {}, {taken} in orders",
                shelf.product, shelf.stock
            ));
        }
    }
    Ok(())
}

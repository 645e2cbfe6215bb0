//! A last look at every order, as its readers see it.

use std::collections::HashMap;

use anyhow::Result;
use ordermill_bench::http::Request;
use serde::Deserialize;
use sqlx::types::chrono::{DateTime, Utc};

use crate::check::clicks::Decided;
use crate::check::store::Row;
use crate::crowd::Crowd;

const HOLDING: [&str; 5] = ["reserved", "paid", "packed", "shipped", "delivered"];

#[derive(Deserialize)]
struct Order {
    status: String,
    version: u64,
    lines: Vec<Line>,
    history: Vec<Entry>,
}

#[derive(Deserialize)]
struct Line {
    product_id: String,
    quantity: u64,
}

#[derive(Deserialize)]
struct Entry {
    version: u64,
    status: String,
    at: DateTime<Utc>,
}

impl Order {
    /// When a worker made an order of the checkout. One that was cancelled by then may bear another's time.
    fn decided(&self) -> Option<i64> {
        let is_first = |entry: &&Entry| entry.version == 2 && entry.status != "cancelled";
        self.history.iter().find(is_first).map(|entry| entry.at.timestamp_millis())
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// The units of each product that the orders hold.
    pub(super) held: HashMap<String, u64>,
    /// When the orders that came without a key were decided.
    pub(super) decided: Decided,
}

/// Takes it. What the crowd has seen that must never be seen is told with it.
pub(super) async fn take(
    crowd: &mut Crowd,
    rows: &[Row],
    violations: &mut Vec<String>,
) -> Result<Last> {
    let mut last = Last::default();
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
        if !row.idempotency_key.starts_with("h:") {
            last.decided.extend(order.decided().map(|at| (row.order_id, at)));
        }
        if HOLDING.contains(&order.status.as_str()) {
            for line in order.lines {
                *last.held.entry(line.product_id).or_default() += line.quantity;
            }
        }
    }
    violations.append(&mut crowd.testimony.told().violations);
    Ok(last)
}

//! What the clients claim, against the database and against what the API answers at the end.

mod looks;
mod taken_back;

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use ordermill_bench::http::Request;

pub(super) use self::taken_back::taken_back;
use super::clicks;
use super::store::Row;
use crate::crowd::Crowd;
use crate::testimony::Told;

/// Every accepted order is there, once, for its buyer and under its key, has ended, and has not gone back;
/// nothing is there that nobody asked for.
pub(super) async fn check(
    crowd: &mut Crowd,
    rows: &[Row],
    violations: &mut Vec<String>,
) -> Result<()> {
    compare(&crowd.testimony.told(), rows, violations);
    let last = looks::take(crowd, rows, violations).await?;
    clicks::check(&crowd.testimony.told(), rows, &last.decided, violations);
    stock(crowd, &last.held, violations).await
}

fn compare(told: &Told, rows: &[Row], violations: &mut Vec<String>) {
    let stored: HashMap<String, &Row> =
        rows.iter().map(|row| (row.order_id.to_string(), row)).collect();
    let (mut keys, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for purchase in &told.purchases {
        let key = purchase.key.as_ref().map(|key| format!("h:{key}"));
        if let Some(key) = &key {
            let key = (purchase.buyer.clone(), key.clone());
            refused.extend(purchase.is_refused.then(|| key.clone()));
            keys.insert(key);
        }
        let Some(order) = &purchase.order else { continue };
        let Some(row) = stored.get(order) else {
            violations.push(format!("LOST: {order} of {} was accepted", purchase.buyer));
            continue;
        };
        if row.email != purchase.buyer || key.is_some_and(|key| key != row.idempotency_key) {
            violations.push(format!("{order} belongs to another buyer or key"));
        }
    }
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
        }
    }
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

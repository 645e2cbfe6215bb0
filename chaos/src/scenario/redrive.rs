//! Dead letters of orders that have ended are sent again: nothing becomes of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::id::OrderId;
use tokio::time::{Instant, sleep};

use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

const LETTERS_WITHIN: Duration = Duration::from_mins(1);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        plan: || Plan {
            settings: vec![("ORDERMILL_CHARGE_TIMEOUT_MS", "300".to_owned())],
            ..Plan::default()
        },
        mood: || Mood {
            tokens: vec![
                ("tok_approve", 80),
                ("tok_timeout", 10),
                ("tok_timeout_after_charge", 10),
            ],
            ..Mood::default()
        },
        ..Scenario::new(
            "redrive",
            "Dead letters of orders that ended without a verdict are sent again, each twice at once.",
            (50, 2),
            act,
        )
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let letters = letters(scene).await?;
        let before = versions(scene, &letters).await?;
        let mut faults = 0;
        for (letter, order) in &letters {
            let path = format!("/v1/admin/dead-letters/{letter}/redrive");
            let request = Request::new("POST", &path);
            let twice = scene.crowd.clerk.twice("redrive", &order.to_string(), &request).await;
            let taken = twice.into_iter().flatten().filter(|reply| reply.status < 300).count();
            ensure!(taken == 1, "{letter} was sent again {taken} times");
            faults += 1;
        }
        let redriven = Instant::now();
        scene.until_sent(redriven).await?;
        scene.until_next(redriven).await?;
        ensure!(versions(scene, &letters).await? == before, "an order that had ended was changed");
        Ok(Trial { faults, recovery: None })
    })
}

/// Open letters of orders, at least one, with these.
async fn letters(scene: &mut Scene<'_>) -> Result<Vec<(String, OrderId)>> {
    let since = Instant::now();
    let list = Request::new("GET", "/v1/admin/dead-letters?state=open&limit=20");
    loop {
        let reply = scene.crowd.clerk.ask("list letters", "", &list).await?;
        let letters = reply.body["data"].as_array().into_iter().flatten();
        let of_orders = letters.filter_map(|letter| {
            let order = letter["order_id"].as_str()?.parse().ok()?;
            Some((letter["id"].as_str()?.to_owned(), order))
        });
        let found: Vec<_> = of_orders.collect();
        if !found.is_empty() {
            return Ok(found);
        }
        ensure!(since.elapsed() < LETTERS_WITHIN, "no order ended without a verdict");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn versions(scene: &Scene<'_>, letters: &[(String, OrderId)]) -> Result<Vec<(String, i64)>> {
    let mut versions = Vec::new();
    for (_, order) in letters {
        let row = sqlx::query_as("select status, version from orders where id = ?").bind(order);
        versions.push(row.fetch_one(scene.stage.db.pool()).await?);
    }
    Ok(versions)
}

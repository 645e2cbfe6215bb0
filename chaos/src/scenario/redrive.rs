//! Dead letters of orders that have ended are sent again: nothing becomes of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::id::{DeadLetterId, OrderId};
use tokio::time::{Instant, sleep};

use crate::crowd::Mood;
use crate::crowd::caller::Reply;
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
        .lasting(0)
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let letters = letters(scene).await?;
        let before = versions(scene, &letters).await?;
        let mut faults = 0;
        for (letter, order) in &letters {
            redrive_twice(scene, *letter, *order).await?;
            faults += 1;
        }
        scene.heals();
        let redriven = Instant::now();
        scene.until_sent(redriven).await?;
        scene.until_next(redriven).await?;
        ensure!(versions(scene, &letters).await? == before, "an order that had ended was changed");
        Ok(Trial { faults, recovery: None })
    })
}

/// Asks twice at once: one of the two is told that it was done, and it is done.
async fn redrive_twice(scene: &mut Scene<'_>, letter: DeadLetterId, order: OrderId) -> Result<()> {
    let (path, order) = (format!("/v1/admin/dead-letters/{letter}/redrive"), order.to_string());
    let request = Request::new("POST", &path);
    let answers = scene.crowd.clerk.twice("redrive", &order, &request).await;
    let known: Vec<Reply> = answers.into_iter().flatten().collect();
    let taken = known.iter().filter(|reply| reply.is_ok()).count();
    ensure!(taken <= 1, "{letter} was sent again {taken} times");
    if taken == 0 {
        // Only an answer that is lost may have told it.
        ensure!(known.len() < 2, "{letter} was sent again by nobody");
        scene.crowd.clerk.ask("redrive again", &order, &request).await?;
    }
    let state: String = sqlx::query_scalar("select state from dead_letters where id = ?")
        .bind(letter)
        .fetch_one(scene.stage.db.pool())
        .await?;
    ensure!(state == "redriven", "{letter} was sent again, and is {state}");
    Ok(())
}

/// Open letters of orders, at least one, with these.
async fn letters(scene: &mut Scene<'_>) -> Result<Vec<(DeadLetterId, OrderId)>> {
    let since = Instant::now();
    let list = Request::new("GET", "/v1/admin/dead-letters?state=open&limit=20");
    loop {
        let reply = scene.crowd.clerk.ask("list letters", "", &list).await?;
        let letters = reply.body["data"].as_array().into_iter().flatten();
        let of_orders = letters.filter_map(|letter| {
            let order = letter["order_id"].as_str()?.parse().ok()?;
            Some((letter["id"].as_str()?.parse().ok()?, order))
        });
        let found: Vec<_> = of_orders.collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let limit = scene.patience(LETTERS_WITHIN);
        ensure!(since.elapsed() < limit, "no order ended without a verdict");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn versions(
    scene: &Scene<'_>,
    letters: &[(DeadLetterId, OrderId)],
) -> Result<Vec<(String, i64)>> {
    let mut versions = Vec::new();
    for (_, order) in letters {
        let row = sqlx::query_as("select status, version from orders where id = ?").bind(order);
        versions.push(row.fetch_one(scene.stage.db.pool()).await?);
    }
    Ok(versions)
}

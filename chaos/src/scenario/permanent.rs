//! One order for which everything fails for good. It ends all the same, and stops no other.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_common::id::OrderId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::scene::{Scenario, Scene, Trial};

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "hopeless-order",
        "One order cannot be read, and its payment would never be answered; the others go on. Recovered: all \
                others are settled.",
        (10, 1),
        act,
    )]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.extend(["fails for good", "snapshot cannot be read"]);
        for worker in &mut scene.stage.workers {
            worker.kill();
        }
        let hopeless = break_one(scene).await?;
        scene.expected.broken.push(hopeless.to_string());
        let mut open = scene.prompt_orders().await?;
        open.retain(|order| *order != hopeless);
        block_in_place(|| {
            scene.stage.workers.iter_mut().try_for_each(|worker| worker.start_with(&[]))
        })?;
        let started = Instant::now();
        let took = scene.until_settled(&open, started).await?;
        scene.until_settled(&[hopeless], started).await?;
        let end: Option<String> = sqlx::query_scalar("select reason from orders where id = ?")
            .bind(hopeless)
            .fetch_one(scene.stage.db.pool())
            .await?;
        ensure!(end.as_deref() == Some("internal"), "{hopeless} ended for {end:?}");
        Ok(Trial::recovered(took))
    })
}

async fn break_one(scene: &Scene<'_>) -> Result<OrderId> {
    let pool = scene.stage.db.pool();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        let waiting = "select order_id from checkouts where consumed_at is null limit 1";
        let waiting: Option<OrderId> = sqlx::query_scalar(waiting).fetch_optional(pool).await?;
        if let Some(order) = waiting {
            sqlx::query(
                "update checkouts \
                 set `lines` = '{\"what\": 1}', payment_method = 'tok_timeout' \
                 where order_id = ?",
            )
            .bind(order)
            .execute(pool)
            .await?;
            return Ok(order);
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!("nobody ordered anything")
}

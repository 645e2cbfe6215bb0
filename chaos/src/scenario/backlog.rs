//! Many orders accepted while no worker runs: they are worked off without a storm of wake-ups.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::live;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Sight;

const ORDERS: usize = 50_000;
const FILLED_WITHIN: Duration = Duration::from_mins(20);
const WORKED_OFF_WITHIN: Duration = Duration::from_mins(5);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        mood: || Mood {
            buyers: 64,
            think_ms: 0,
            looks: 0,
            cancels: 0,
            doubles: 0,
            keyless: 0,
            tokens: vec![("tok_approve", 1)],
            ..Mood::default()
        },
        ..Scenario::new(
            "backlog",
            "50,000 orders are accepted while all workers are stopped. Recovered: all are settled; none was woken \
                more than a few times.",
            (1, 0),
            act,
        )
        .lasting(FILLED_WITHIN.as_secs())
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.breaks();
        for worker in &mut scene.stage.workers {
            worker.kill();
        }
        let (before, started) = (scene.crowd.accepted(), Instant::now());
        while scene.crowd.accepted() - before < ORDERS {
            ensure!(started.elapsed() < FILLED_WITHIN, "too few orders were accepted");
            sleep(Duration::from_millis(200)).await;
        }
        live::note(&format!("{ORDERS} accepted in {:.0?}", started.elapsed()));
        scene.crowd.rest();
        block_in_place(|| {
            scene.stage.workers.iter_mut().try_for_each(|worker| worker.start_with(&[]))
        })?;
        scene.heals();
        let took = Sight::until_rest(&scene.stage.db, WORKED_OFF_WITHIN).await?;
        let (woken, most): (i64, i64) = sqlx::query_as(
            "select cast(sum(wakes) as signed), cast(max(wakes) as signed) from checkouts",
        )
        .fetch_one(scene.stage.db.pool())
        .await?;
        live::note(&format!("worked off in {took:.0?}; {woken} wake-ups, at most {most} an order"));
        ensure!(most <= 3, "an order was woken {most} times");
        scene.crowd.go_on();
        scene.heals();
        Ok(Trial::recovered(took))
    })
}

//! A worker whose clock jumps.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::scene::{Scenario, Scene, Trial};

/// As the settings below say it.
const JUMP: Duration = Duration::from_hours(1);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "clock-jump",
        "One worker's clock jumps by an hour, ahead or back, while it works.",
        (20, 2),
        act,
    )]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let place = scene.some_worker();
        scene.expected.skew = JUMP;
        let skew = if trial.is_multiple_of(2) { "3600@2" } else { "-3600@2" };
        let settings = [("ORDERMILL_CLOCK_SKEW_SECONDS", skew.to_owned())];
        block_in_place(|| {
            scene.stage.workers[place].start_with(&settings)?;
            scene.stage.workers[place].wait()
        })?;
        scene.go_on(3_000, 5_000).await;
        let now = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, now).await?;
        block_in_place(|| scene.stage.workers[place].start())?;
        scene.heals();
        Ok(Trial::recovered(took))
    })
}

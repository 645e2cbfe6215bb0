//! A deployment: every process is drained and started again, one after the other, under load.

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::kill;
use crate::scene::{Scenario, Scene, Trial};

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "rolling-restart",
        "Every process is drained with SIGTERM and started again in turn, old and new ones side by side; then \
         both servers are stopped in order and started again.",
        (20, 1),
        act,
    )]
}

fn act<'a>(scene: &'a mut Scene<'_>, number: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let mut faults = 0;
        scene.breaks();
        for place in 0..scene.stage.members().count() {
            scene.go_on(100, 500).await;
            let member = scene.stage.members().nth(place).context("a place is taken")?;
            block_in_place(|| member.drain().and_then(|()| member.start()))?;
            faults += 1;
        }
        scene.heals();
        for server in [kill::stopped_broker, kill::stopped_database] {
            faults += server(scene, number).await?.faults;
        }
        let done = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, done).await?;
        Ok(Trial { faults, recovery: took })
    })
}

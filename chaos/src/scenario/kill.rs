//! SIGKILL of every process, again and again, at moments that chance chooses.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::scene::{Scenario, Scene, Trial};

/// After the broker's port has opened.
const ALL_SETTLED: Duration = Duration::from_secs(20);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("worker-kill", "A worker is killed and started again. Recovered: every order that could be settled at once and was \
             not is settled.", (1_000, 10), worker).recovers_within(2),
        Scenario::new("api-kill", "An API is killed and started again.", (200, 4), api),
        Scenario::new("gateway-kill", "The payment gateway is killed and started again. Recovered: the next payment ends.", (200, 4), gateway),
        Scenario::new("database-kill", "The database is killed and started again. Recovered: the next payment ends, from its port's opening.", (200, 2), database),
        Scenario::new("broker-kill", "RabbitMQ is killed and started again. Recovered: the next payment ends, from its port's opening.", (300, 2), broker).recovers_within(5),
    ]
}

fn worker<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        let place = scene.some_worker();
        scene.stage.workers[place].kill();
        let killed = Instant::now();
        let open = scene.prompt_orders().await?;
        block_in_place(|| scene.stage.workers[place].start_with(&[]))?;
        let took = scene.until_settled(&open, killed).await?;
        block_in_place(|| scene.stage.workers[place].wait())?;
        Ok(Trial::recovered(took))
    })
}

fn api<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        let place = scene.some_api();
        scene.stage.apis[place].kill();
        let killed = Instant::now();
        let open = scene.prompt_orders().await?;
        block_in_place(|| scene.stage.apis[place].start())?;
        Ok(Trial::recovered(scene.until_settled(&open, killed).await?))
    })
}

fn gateway<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        scene.stage.gateway.kill();
        scene.go_on(10, 800).await;
        block_in_place(|| scene.stage.gateway.start())?;
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

fn database<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 2_000).await;
        scene.stage.grounds.kill_database()?;
        scene.go_on(10, 500).await;
        block_in_place(|| scene.stage.grounds.restart_database())?;
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

fn broker<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 2_000).await;
        scene.stage.grounds.kill_broker()?;
        scene.go_on(10, 500).await;
        block_in_place(|| scene.stage.grounds.restart_broker())?;
        let open_again = Instant::now();
        let waiting = scene.prompt_orders().await?;
        let recovery = scene.until_next(open_again).await?;
        // Long before a forgotten message's order would wake by itself.
        let all = scene.until_settled(&waiting, open_again).await?;
        ensure!(all.is_none_or(|all| all < ALL_SETTLED), "orders waited {all:?} for a message");
        Ok(Trial::recovered(recovery))
    })
}

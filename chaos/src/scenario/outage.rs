//! A server that is away for long, refuses writes, or refuses publishers.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::scene::{Scenario, Scene, Trial};

/// Beyond every budget of reconnecting that a library has by default.
const AWAY_SECONDS: [u64; 3] = [5, 60, 150];
const ALARM: Duration = Duration::from_secs(10);
const READ_ONLY: Duration = Duration::from_secs(5);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "broker-away",
            "RabbitMQ is away for 5 s, for 60 s, for 150 s; checkouts are accepted all the while. Recovered: the next \
             payment ends.",
            (3, 1),
            broker_away,
        ),
        Scenario::new(
            "broker-alarm",
            "RabbitMQ raises its memory alarm, and takes no messages for 10 s.",
            (10, 1),
            broker_alarm,
        ),
        Scenario::new(
            "database-read-only",
            "The database refuses writes for 5 s (super_read_only, which only MySQL has).",
            (20, 1),
            database_read_only,
        ),
    ]
}

fn broker_away<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let seconds = AWAY_SECONDS[usize::try_from(trial - 1)? % AWAY_SECONDS.len()];
        let before = scene.crowd.accepted();
        scene.stage.grounds.kill_broker()?;
        sleep(Duration::from_secs(seconds)).await;
        anyhow::ensure!(scene.crowd.accepted() > before, "nothing was accepted meanwhile");
        block_in_place(|| scene.stage.grounds.restart_broker())?;
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

fn broker_alarm<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 1_500).await;
        let limit = |limit: &[&str]| {
            let mut command = vec!["set_vm_memory_high_watermark"];
            command.extend(limit);
            block_in_place(|| scene.stage.grounds.ask_broker(&command)).map(drop)
        };
        limit(&["0"])?;
        sleep(ALARM).await;
        limit(&["absolute", "1GiB"])?;
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

fn database_read_only<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let pool = scene.stage.db.pool();
        let version: String = sqlx::query_scalar("select version()").fetch_one(pool).await?;
        if version.contains("MariaDB") {
            return Ok(Trial::default());
        }
        scene.go_on(500, 1_500).await;
        let pool = scene.stage.db.pool();
        sqlx::raw_sql("set global super_read_only = on").execute(pool).await?;
        sleep(READ_ONLY).await;
        sqlx::raw_sql("set global super_read_only = off, global read_only = off")
            .execute(pool)
            .await?;
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

//! A server that is away for long, refuses writes, or refuses publishers.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::logs::Logs;
use crate::scene::{Scenario, Scene, Trial};

/// The last is beyond every budget of reconnecting that a library has by default (lapin's is eleven minutes).
const AWAY_SECONDS: [u64; 4] = [5, 60, 150, 720];
const ALARM: Duration = Duration::from_secs(10);
const BLOCKS_WITHIN: Duration = Duration::from_secs(20);
const READ_ONLY: Duration = Duration::from_secs(5);

const ENOUGH: [&str; 2] = ["absolute", "1GiB"];
const WRITABLE: &str = "set global super_read_only = off, global read_only = off";

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "broker-away",
            "RabbitMQ is away for 5 s, 60 s, 150 s and 12 minutes; checkouts are accepted all the while. Recovered: \
             all that could be settled at once and were not are settled.",
            (4, 1),
            broker_away,
        )
        .lasting(720),
        Scenario::new(
            "broker-alarm",
            "RabbitMQ raises its memory alarm, and takes no messages for 10 s.",
            (10, 1),
            broker_alarm,
        ),
        Scenario::new(
            "database-read-only",
            "The database takes no writes for 5 s: MySQL refuses them (super_read_only), MariaDB holds them up (a \
             global read lock).",
            (20, 1),
            database_read_only,
        ),
    ]
}

fn broker_away<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let seconds = AWAY_SECONDS[usize::try_from(trial - 1)? % AWAY_SECONDS.len()];
        let before = scene.crowd.accepted();
        scene.breaks();
        scene.stage.grounds.kill_broker()?;
        sleep(Duration::from_secs(seconds)).await;
        anyhow::ensure!(scene.crowd.accepted() > before, "nothing was accepted meanwhile");
        let waiting = scene.prompt_orders().await?;
        block_in_place(|| scene.stage.grounds.restart_broker())?;
        scene.heals();
        Ok(Trial::recovered(scene.until_settled(&waiting, Instant::now()).await?))
    })
}

fn broker_alarm<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 1_500).await;
        let logs = Logs::from_now(scene)?;
        scene.breaks();
        set_memory_limit(scene, &["0"])?;
        sleep(ALARM).await;
        // It blocks a connection when somebody publishes on it.
        let limit = scene.patience(BLOCKS_WITHIN);
        logs.until(1, "the broker blocks publishers", limit).await?;
        set_memory_limit(scene, &ENOUGH)?;
        scene.heals();
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

fn database_read_only<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 1_500).await;
        // Of its own: MariaDB's lock ends with the session.
        let mut session = scene.stage.db.connect().await?;
        let (begin, end) = if is_mariadb(scene).await? {
            ("flush tables with read lock", "unlock tables")
        } else {
            ("set global super_read_only = on", WRITABLE)
        };
        scene.breaks();
        sqlx::raw_sql(begin).execute(&mut session).await?;
        sleep(READ_ONLY).await;
        sqlx::raw_sql(end).execute(&mut session).await?;
        scene.heals();
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

async fn is_mariadb(scene: &Scene<'_>) -> Result<bool> {
    let pool = scene.stage.db.pool();
    let version: String = sqlx::query_scalar("select version()").fetch_one(pool).await?;
    Ok(version.contains("MariaDB"))
}

fn set_memory_limit(scene: &Scene<'_>, limit: &[&str]) -> Result<()> {
    let command = [&["set_vm_memory_high_watermark"], limit].concat();
    block_in_place(|| scene.stage.grounds.ask_broker(&command)).map(drop)
}

/// The servers take everything again.
pub(super) async fn undo(scene: &Scene<'_>) -> Result<()> {
    set_memory_limit(scene, &ENOUGH)?;
    if !is_mariadb(scene).await? {
        sqlx::raw_sql(WRITABLE).execute(scene.stage.db.pool()).await?;
    }
    Ok(())
}

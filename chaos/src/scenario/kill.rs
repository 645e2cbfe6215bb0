//! SIGKILL of every process, again and again, at moments that chance chooses; and the servers' orderly ends.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::installation::Grounds;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep};

use crate::crowd::Mood;
use crate::run::Rigour;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::{Sight, address_of};

/// After the broker's port has opened.
const ALL_SETTLED: Duration = Duration::from_secs(20);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            mood: || Mood { tokens: slow_tokens(), ..Mood::default() },
            ..Scenario::new(
                "worker-kill",
                "A worker is killed and started again. Recovered, when it had orders in hand: these and all others \
                 that could be settled at once and were not are settled.",
                (1_000, 10),
                worker,
            )
            .recovers_within(2)
        },
        Scenario::new("api-kill", "An API is killed and started again.", (200, 4), api),
        Scenario::new(
            "gateway-kill",
            "The payment gateway is killed and started again. Recovered: the next payment ends.",
            (200, 4),
            gateway,
        ),
        Scenario::new(
            "database-kill",
            "The database is killed and started again. Recovered: the next payment ends, from its port's opening.",
            (200, 2),
            killed_database,
        ),
        Scenario::new(
            "database-restart",
            "The database is stopped in order and started again. Recovered: the next payment ends, from its port's opening.",
            (50, 1),
            stopped_database,
        ),
        Scenario::new(
            "broker-kill",
            "RabbitMQ is killed and started again. Recovered: the next payment ends, from its port's opening.",
            (300, 2),
            killed_broker,
        )
        .recovers_within(5),
        Scenario::new(
            "broker-restart",
            "RabbitMQ is stopped in order and started again. Recovered: the next payment ends, from its port's opening.",
            (50, 1),
            stopped_broker,
        )
        .recovers_within(5),
    ]
}

/// So that most kills meet a worker with something in hand.
fn slow_tokens() -> Vec<(&'static str, usize)> {
    let slow = |(token, weight)| (token, if token == "tok_slow_150" { 50 } else { weight });
    Mood::default().tokens.into_iter().map(slow).collect()
}

fn worker<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        let place = scene.some_worker();
        let owner = scene.stage.workers[place].owner().context("a worker without a name")?;
        scene.breaks();
        scene.stage.workers[place].kill();
        let killed = Instant::now();
        let held = Sight::held_by(&scene.stage.db, owner).await?;
        let open = [scene.prompt_orders().await?, held.clone()].concat();
        block_in_place(|| scene.stage.workers[place].start_with(&[]))?;
        scene.heals();
        let took = scene.until_settled(&open, killed).await?;
        block_in_place(|| scene.stage.workers[place].wait())?;
        Ok(Trial::recovered(took.filter(|_| !held.is_empty())))
    })
}

fn api<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        let place = scene.some_api();
        scene.breaks();
        scene.stage.apis[place].kill();
        let killed = Instant::now();
        let open = scene.prompt_orders().await?;
        block_in_place(|| scene.stage.apis[place].start())?;
        scene.heals();
        Ok(Trial::recovered(scene.until_settled(&open, killed).await?))
    })
}

pub(super) fn gateway<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 1_200).await;
        scene.breaks();
        scene.stage.gateway.kill();
        scene.go_on(10, 800).await;
        block_in_place(|| scene.stage.gateway.start())?;
        scene.heals();
        Ok(Trial::recovered(scene.until_next(Instant::now()).await?))
    })
}

pub(super) fn killed_database<'a>(
    scene: &'a mut Scene<'_>,
    _: u32,
) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(database(scene, Grounds::kill_database, true))
}

pub(super) fn stopped_database<'a>(
    scene: &'a mut Scene<'_>,
    _: u32,
) -> BoxFuture<'a, Result<Trial>> {
    // There is no command that stops a given one in order.
    let is_killed = scene.stage.grounds.are_given();
    Box::pin(database(scene, Grounds::stop_database, is_killed))
}

pub(super) fn killed_broker<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(broker(scene, Grounds::kill_broker))
}

pub(super) fn stopped_broker<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(broker(scene, Grounds::stop_broker))
}

async fn database(
    scene: &mut Scene<'_>,
    end: fn(&mut Grounds) -> Result<()>,
    is_killed: bool,
) -> Result<Trial> {
    // One that ends in order takes nothing back.
    let takes_back = is_killed && Sight::shows_unflushed(&scene.stage.db).await?;
    scene.go_on(500, 2_000).await;
    scene.breaks();
    let death = takes_back.then(|| scene.crowd.testimony.database_dies());
    block_in_place(|| end(scene.stage.grounds))?;
    if let Some(death) = death {
        scene.crowd.testimony.database_died(death);
    }
    scene.go_on(10, 500).await;
    let address = address_of(&scene.stage.grounds.database_url())?;
    let (_, recovery) = opened_again(scene, address, Grounds::restart_database).await?;
    Ok(Trial::recovered(recovery))
}

async fn broker(scene: &mut Scene<'_>, end: fn(&mut Grounds) -> Result<()>) -> Result<Trial> {
    scene.go_on(500, 2_000).await;
    scene.breaks();
    block_in_place(|| end(scene.stage.grounds))?;
    scene.go_on(10, 500).await;
    let waiting = scene.prompt_orders().await?;
    let address = address_of(&scene.stage.grounds.amqp_url())?;
    let (opened, recovery) = opened_again(scene, address, Grounds::restart_broker).await?;
    // Long before a forgotten message's order would wake by itself.
    let all = scene.until_settled(&waiting, opened).await?;
    if scene.rigour == Rigour::Full {
        ensure!(all.is_none_or(|all| all < ALL_SETTLED), "orders waited {all:?} for a message");
    }
    Ok(Trial::recovered(recovery))
}

/// Starts a server again, and answers when its port opened and how long after that an order was settled.
async fn opened_again(
    scene: &mut Scene<'_>,
    address: SocketAddr,
    restart: fn(&mut Grounds) -> Result<()>,
) -> Result<(Instant, Duration)> {
    let (db, limit) = (scene.stage.db.clone(), scene.longest_recovery());
    let mut watching = JoinSet::new();
    watching.spawn(async move {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
        let opened = Instant::now();
        Ok((opened, Sight::until_next(&db, opened, limit).await?))
    });
    block_in_place(|| restart(scene.stage.grounds))?;
    scene.heals();
    watching.join_next().await.context("it was just spawned")??
}

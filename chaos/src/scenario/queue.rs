//! Queues that are emptied, deleted, or declared by somebody else.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use ordermill_common::broker::{Queue, declare_plain, delete_topology, purge_topology};
use ordermill_common::id::OrderId;
use ordermill_worker::republish::republish;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::logs::Logs;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Member;

const STUBBORN: Duration = Duration::from_secs(20);
/// By then a message waits, and who consumes or publishes has met what was done to its queue.
const MET_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// One in so many times nobody republishes what was lost, and the orders wake by themselves.
const FORGOTTEN: u32 = 5;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "queues-deleted",
            "All queues are deleted, in turn from under the workers and with messages that no worker has taken; every \
             fifth time nobody republishes. Recovered: every order whose message was lost is settled.",
            (50, 2),
            deleted,
        )
        .lasting(30),
        Scenario::new(
            "queues-purged",
            "All queues are emptied while no worker runs; every fifth time nobody republishes. Recovered: every order whose \
                message was lost is settled.",
            (50, 2),
            purged,
        )
        .lasting(30),
        Scenario::new(
            "queue-otherwise",
            "Somebody deletes the queues and declares them with other arguments; 5 s later they are deleted again.",
            (20, 1),
            otherwise,
        ),
        Scenario::new(
            "queue-broken",
            "RabbitMQ loses the processes of the checkouts' queue, and cannot serve it until it is deleted. Recovered: every \
             order of the first seconds is settled.",
            (20, 1),
            broken,
        )
        .lasting(60),
    ]
}

/// In turn from under the workers that consume them, and with messages that no worker has taken.
fn deleted<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        // Who is spared is not killed either.
        let with_messages = trial.is_multiple_of(2) && scene.stage.spared == 0;
        scene.breaks();
        if with_messages {
            scene.stage.workers.iter_mut().for_each(Member::kill);
        }
        let since = Instant::now();
        scene.go_on(500, 2_000).await;
        if with_messages {
            until_one_waits(scene, since).await?;
        }
        let logs = Logs::from_now(scene)?;
        delete_topology(&scene.stage.broker()?).await?;
        let deleted = Instant::now();
        let open = scene.prompt_orders().await?;
        if with_messages {
            start_workers(scene)?;
        }
        let took = make_up(scene, trial, &open, deleted).await?;
        if !with_messages {
            logs.until(1, "connecting again", scene.patience(MET_WITHIN)).await?;
        }
        block_in_place(|| scene.stage.workers.iter_mut().try_for_each(Member::wait))?;
        Ok(Trial::recovered(took))
    })
}

/// Waits until the message of an order that was accepted since then, when all workers were dead, is in its queue:
/// its row leaves the outbox when the broker has it.
async fn until_one_waits(scene: &Scene<'_>, since: Instant) -> Result<()> {
    let limit = scene.patience(MET_WITHIN);
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "select cast(count(*) as signed) \
             from checkouts c \
             where c.wake_at is not null and c.accepted_at > now(6) - interval ? microsecond \
               and not exists (select 1 from outbox o where o.order_id = c.order_id)",
        )
        .bind(i64::try_from(since.elapsed().as_micros())?)
        .fetch_one(scene.stage.db.pool())
        .await?;
        if waiting > 0 {
            return Ok(());
        }
        ensure!(since.elapsed() < limit, "there was no message to lose");
        sleep(LOOK).await;
    }
}

fn purged<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.breaks();
        scene.stage.workers.iter_mut().for_each(Member::kill);
        let since = Instant::now();
        scene.go_on(500, 2_000).await;
        while purge_topology(&scene.stage.broker()?).await? == 0 {
            let limit = scene.patience(MET_WITHIN);
            ensure!(since.elapsed() < limit, "there was no message to lose");
            sleep(LOOK).await;
        }
        let purged = Instant::now();
        let open = scene.prompt_orders().await?;
        start_workers(scene)?;
        let took = make_up(scene, trial, &open, purged).await?;
        block_in_place(|| scene.stage.workers.iter_mut().try_for_each(Member::wait))?;
        Ok(Trial::recovered(took))
    })
}

/// Makes up for the lost messages of these orders, as an operator would, and waits until they are settled. One time in
/// so many nobody does, and they wake by themselves half a minute after their acceptance.
async fn make_up(
    scene: &mut Scene<'_>,
    trial: u32,
    open: &[OrderId],
    lost: Instant,
) -> Result<Option<Duration>> {
    let is_forgotten = trial.is_multiple_of(FORGOTTEN);
    if !is_forgotten {
        republish(&scene.stage.db).await?;
    }
    scene.heals();
    let took = scene.until_settled(open, lost).await?;
    if is_forgotten {
        // Until then some have waited, as they may.
        scene.heals();
    }
    Ok(took)
}

fn start_workers(scene: &mut Scene<'_>) -> Result<()> {
    let workers = &mut scene.stage.workers;
    block_in_place(|| workers.iter_mut().try_for_each(|worker| worker.start_with(&[])))
}

fn otherwise<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.push("exists with other arguments");
        let broker = scene.stage.broker()?;
        let started = Instant::now();
        scene.breaks();
        while let Err(error) = declare_plain(&broker).await {
            // A worker was faster and has declared it as it should be.
            ensure!(started.elapsed() < STUBBORN, "the queues cannot be taken: {error}");
        }
        scene.go_on(5_000, 5_000).await;
        delete_topology(&broker).await?;
        let healed = Instant::now();
        let open = scene.prompt_orders().await?;
        republish(&scene.stage.db).await?;
        scene.heals();
        Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
    })
}

fn broken<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(500, 2_000).await;
        let queue = scene.stage.broker()?.queue_name(Queue::Checkout);
        let stop =
            format!("ra:stop_server(quorum_queues, {{list_to_atom(\"%2F_{queue}\"), node()}}).");
        scene.breaks();
        // A broker that comes back from a crash without them has lost its clients as well.
        for command in [["eval", &stop], ["close_all_connections", "by the scenario"]] {
            block_in_place(|| scene.stage.grounds.ask_broker(&command))?;
        }
        let broken = Instant::now();
        scene.go_on(2_000, 3_000).await;
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, broken).await?;
        // Before somebody has replaced the queue nothing is healed.
        scene.heals();
        Ok(Trial::recovered(took))
    })
}

//! A server is killed while a process stands still at a crash point, and goes on around that moment.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::future::BoxFuture;
use ordermill_common::crash::POINTS;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, timeout};

use super::kill;
use super::point::{member, nth, stimulate, victims};
use crate::crowd::Mood;
use crate::scene::{Act, Scenario, Scene, Trial};
use crate::stage::{FREEZE_AT, Plan};

const SERVERS: [Act; 3] = [kill::killed_database, kill::killed_broker, kill::gateway];
const REACHED_WITHIN: Duration = Duration::from_secs(40);
const STIMULATED: Duration = Duration::from_millis(500);
/// Between two looks at who stands still.
const LOOK: Duration = Duration::from_millis(150);

pub(super) fn all() -> Vec<Scenario> {
    let points = u32::try_from(POINTS.len()).unwrap_or(u32::MAX);
    let servers = u32::try_from(SERVERS.len()).unwrap_or(u32::MAX);
    vec![Scenario {
        plan: || Plan { workers: 2, ..Plan::default() },
        mood: || Mood { cancels: 30, ..Mood::default() },
        ..Scenario::new(
            "server-kill-at-points",
            "A process stands still at a crash point, all points in turn; meanwhile the database, RabbitMQ or the \
             payment gateway is killed and started again, and shortly before or after its end the process goes on. \
             Recovered: the next payment ends.",
            (points * servers, 6),
            act,
        )
        .lasting(30)
    }]
}

/// Each point meets each server once in as many trials as there are of both; neighbours meet different ones.
fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let round = usize::try_from(trial - 1)?;
        let point = POINTS[round % POINTS.len()].0;
        let server = SERVERS[(round + round / POINTS.len()) % SERVERS.len()];
        let arm = [(FREEZE_AT, format!("{point}:{}", nth(scene, point)))];
        let places = victims(scene, point);
        scene.breaks();
        for place in &places {
            block_in_place(|| member(scene, *place).start_with(&arm))?;
        }
        let armed = Instant::now();
        while !places.iter().any(|place| member(scene, *place).is_frozen()) {
            if armed.elapsed() > scene.patience(REACHED_WITHIN) {
                bail!("{point} was never reached");
            }
            // Whoever stands still answers nobody.
            if let Ok(stimulated) = timeout(STIMULATED, stimulate(scene, point)).await {
                stimulated?;
            }
            sleep(Duration::from_millis(20)).await;
        }
        // The server dies after 0.5 to 2 s.
        let pause = Duration::from_millis(scene.dice.between(400, 2_600));
        let pids = places.iter().filter_map(|place| member(scene, *place).pid()).collect();
        let mut thawing = JoinSet::new();
        thawing.spawn(thaw(pids, pause));
        let trial = server(scene, trial).await.with_context(|| point.to_owned())?;
        thawing.shutdown().await;
        scene.breaks();
        for place in &places {
            // What was not reached while it was armed would stand still one day.
            if places.len() > 1 {
                block_in_place(|| member(scene, *place).start_with(&[]))?;
            }
            member(scene, *place).thaw();
            block_in_place(|| member(scene, *place).wait()).with_context(|| point.to_owned())?;
        }
        scene.heals();
        Ok(trial)
    })
}

/// Lets these processes go on after the pause, and whenever one comes to its point later.
async fn thaw(pids: Vec<u32>, pause: Duration) {
    let pids: Vec<Pid> =
        pids.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())).collect();
    sleep(pause).await;
    loop {
        for pid in &pids {
            // An error says that it is gone.
            let _ = kill_process(*pid, Signal::CONT);
        }
        sleep(LOOK).await;
    }
}

//! Handlers that panic whenever they are given something: they stop nobody else, and do their work once they can.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use ordermill_common::broker::Queue;
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::logs::Logs;
use super::message::poison;
use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Member;

/// Every dead message, and every payment that is to be voided.
const ALWAYS: &str = "dead.before_write:*,void.before_call:*";
/// Panics over the one poisoned message: each time that it is handed out again.
const PANICS: u32 = 3;
const MET_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        mood: || Mood { cancels: 30, ..Mood::default() },
        ..Scenario::new(
            "handler-panics",
            "Among good messages the handler of a poisoned one panics each time, in every worker, and that of every \
             void; then the workers are started again. Recovered: the other orders are settled meanwhile.",
            (30, 1),
            act,
        )
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.push("panicked");
        let limit = scene.patience(MET_WITHIN);
        start_workers(scene, &[("ORDERMILL_PANIC_AT", ALWAYS.to_owned())])?;
        let logs = Logs::from_now(scene)?;
        poison(scene, Queue::Checkout, b"not a message").await?;
        logs.until(PANICS, "crash point dead.before_write hit", limit).await?;
        logs.until(1, "crash point void.before_call hit", limit).await?;
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, Instant::now()).await?;
        let faults = logs.count(&["crash point ", " hit"])?;

        let logs = Logs::from_now(scene)?;
        start_workers(scene, &[])?;
        scene.heals();
        logs.until(1, "parked a dead letter", limit).await?;
        Ok(Trial { faults, recovery: took })
    })
}

/// Kills those that run, and starts them with these settings.
fn start_workers(scene: &mut Scene<'_>, settings: &[(&str, String)]) -> Result<()> {
    let workers = &mut scene.stage.workers;
    block_in_place(|| {
        workers.iter_mut().try_for_each(|worker| worker.start_with(settings))?;
        workers.iter_mut().try_for_each(Member::wait)
    })
}

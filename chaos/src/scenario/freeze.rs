//! A worker that stands still past every limit, in the middle of something, and then goes on.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::scene::{Scenario, Scene, Trial};

/// Where it stands still: with a transaction open, with a call to the gateway made, or anywhere.
const POINTS: [Option<&str>; 5] = [
    Some("reserve.before_commit"),
    Some("charge.after_call"),
    Some("settle.before_commit"),
    Some("charge.before_call"),
    None,
];
/// Longer than a lease, an idle session, a unit of work and the broker's heartbeats.
const FROZEN: Duration = Duration::from_secs(40);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "freeze",
        "A worker is stopped (SIGSTOP) inside a reserve transaction, around a charge, inside a settle \
                transaction or anywhere, for 40 s, and goes on. Recovered: what it held is settled elsewhere.",
        (50, 1),
        act,
    )]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let place = scene.some_worker();
        let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()];
        if let Some(point) = point {
            let worker = &mut scene.stage.workers[place];
            let arm = [("ORDERMILL_FREEZE_AT", format!("{point}:{}", scene.dice.between(1, 8)))];
            block_in_place(|| worker.start_with(&arm))?;
            let armed = Instant::now();
            while !scene.stage.workers[place].is_frozen() {
                if armed.elapsed() > Duration::from_secs(40) {
                    bail!("{point} was never reached");
                }
                sleep(Duration::from_millis(10)).await;
            }
        } else {
            scene.go_on(100, 1_000).await;
            scene.stage.workers[place].freeze();
        }
        let frozen = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, frozen).await?;
        sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
        scene.stage.workers[place].thaw();
        block_in_place(|| scene.stage.workers[place].wait())?;
        Ok(Trial::recovered(took))
    })
}

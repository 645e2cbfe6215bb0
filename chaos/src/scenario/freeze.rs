//! A worker that stands still past every limit, in the middle of something, and then goes on.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::point::{Place, member};
use crate::scene::{Scenario, Scene, Trial};

/// Where it stands still: with a transaction open, with a call to the gateway made, or anywhere.
const POINTS: [Option<&str>; 5] = [
    Some("reserve.before_commit"),
    Some("charge.after_call"),
    Some("settle.before_commit"),
    Some("charge.before_call"),
    None,
];
/// Longer than a lease, an idle session, a unit of work, the broker's heartbeats and the hold of a delivery.
const FROZEN: Duration = Duration::from_secs(75);
const REACHED_WITHIN: Duration = Duration::from_secs(40);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "freeze",
        "A worker is stopped (SIGSTOP) inside a reserve transaction, around a charge, inside a settle \
                transaction or anywhere, for 75 s, and goes on. Recovered: what it held is settled elsewhere.",
        (20, 1),
        act,
    )
    .lasting(75)]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let place = scene.some_worker();
        let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()];
        if let Some(point) = point {
            let nth = scene.dice.between(1, 8);
            freeze_at(scene, Place::Worker(place), point, nth).await?;
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

/// Starts the process again and answers once it stands still where it was told to.
pub(super) async fn freeze_at(
    scene: &mut Scene<'_>,
    place: Place,
    point: &str,
    nth: u64,
) -> Result<()> {
    let arm = [("ORDERMILL_FREEZE_AT", format!("{point}:{nth}"))];
    block_in_place(|| member(scene, place).start_with(&arm))?;
    let armed = Instant::now();
    while !member(scene, place).is_frozen() {
        if armed.elapsed() > REACHED_WITHIN {
            bail!("{point} was never reached");
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

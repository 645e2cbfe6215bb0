//! A process that stands still past every limit, in the middle of something, and then goes on.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::BoxFuture;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::point::{Place, member, nth, victims};
use crate::scene::{Scenario, Scene, Trial};

/// Where it stands still: with a transaction open, with a call to the gateway made, or (a worker) anywhere.
const POINTS: [Option<&str>; 8] = [
    Some("reserve.before_commit"),
    Some("charge.after_call"),
    Some("settle.before_commit"),
    Some("accept.before_commit"),
    Some("charge.before_call"),
    Some("ask.before_commit"),
    None,
    Some("move.before_commit"),
];
/// Longer than a lease, an idle session, a unit of work, the broker's heartbeats and the hold of a delivery.
const FROZEN: Duration = Duration::from_secs(75);
const REACHED_WITHIN: Duration = Duration::from_secs(40);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "freeze",
        "A process is stopped (SIGSTOP) for 75 s, and goes on: a worker inside a reserve or a settle transaction, \
                around a charge or anywhere, an API inside a checkout, a cancellation or a move. Recovered: what it \
                held is settled elsewhere.",
        (24, 1),
        act,
    )
    .lasting(75)]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()];
        let place = freeze(scene, point).await?;
        let frozen = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, frozen).await?;
        sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
        member(scene, place).thaw();
        block_in_place(|| member(scene, place).wait())?;
        Ok(Trial::recovered(took))
    })
}

/// Answers who stands still.
async fn freeze(scene: &mut Scene<'_>, point: Option<&str>) -> Result<Place> {
    if let Some(point) = point {
        let (place, nth) = (victims(scene, point)[0], nth(scene, point));
        freeze_at(scene, place, point, nth).await?;
        return Ok(place);
    }
    scene.go_on(100, 1_000).await;
    let place = Place::Worker(scene.some_worker());
    member(scene, place).freeze();
    Ok(place)
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

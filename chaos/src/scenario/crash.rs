//! A process aborts, or one of its tasks panics, at a named place: on both sides of each commit, publish,
//! confirm, delete, charge, void and ack. A point that is not hit fails the trial.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_common::crash::POINTS;
use ordermill_common::id::OrderId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::point::{Place, member, nth, stimulate, victims};
use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::{CRASH_AT, Plan};

const PANIC_AT: &str = "ORDERMILL_PANIC_AT";
const HIT_WITHIN: Duration = Duration::from_secs(40);
/// Long before a forgotten order would wake by itself.
const LONGEST: Duration = Duration::from_secs(25);
const TRIALS_A_POINT: u32 = 25;
const PANICS_A_POINT: u32 = 3;

pub(super) fn all() -> Vec<Scenario> {
    let points = u32::try_from(POINTS.len()).unwrap_or(u32::MAX);
    let all = [
        Scenario::new(
            "crash-points",
            "A process aborts at a crash point, all points in turn. Recovered: every order that could be settled at \
             once and was not is settled.",
            (points * TRIALS_A_POINT, points),
            crash,
        )
        .recovers_within(2),
        Scenario::new(
            "panic-points",
            "One task of a process panics at a crash point, all points in turn, and the process lives on and works; \
             what the task held may wait until it wakes by itself.",
            (points * PANICS_A_POINT, points),
            panic,
        ),
    ];
    let plan = || Plan { workers: 2, ..Plan::default() };
    let mood = || Mood { cancels: 30, ..Mood::default() };
    all.into_iter().map(|scenario| Scenario { plan, mood, ..scenario }).collect()
}

fn crash<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let (point, places) = hit(scene, trial, CRASH_AT).await?;
        let died = Instant::now();
        let open = scene.prompt_orders().await?;
        for place in &places {
            block_in_place(|| member(scene, *place).start_with(&[]))?;
        }
        scene.heals();
        let trial = recovered(scene, point, &open, died, &places).await?;
        let took = trial.recovery;
        ensure!(took.is_none_or(|took| took < LONGEST), "{point}: orders waited {took:?}");
        Ok(trial)
    })
}

fn panic<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.extend(["panicked", "a request failed"]);
        let (point, places) = hit(scene, trial, PANIC_AT).await?;
        scene.heals();
        let panicked = Instant::now();
        let open = scene.prompt_orders().await?;
        let trial = recovered(scene, point, &open, panicked, &places).await?;
        // What comes afterwards waits for nothing that the panicked task would have done.
        scene.go_on(700, 1_000).await;
        let (later, asked) = (scene.prompt_orders().await?, Instant::now());
        let took = scene.until_settled(&later, asked).await.with_context(|| point.to_owned())?;
        ensure!(took.is_none_or(|took| took < LONGEST), "{point}: later orders waited {took:?}");
        Ok(trial)
    })
}

/// Starts those whose code the trial's point is in, armed with it, and answers once one of them has hit it.
async fn hit(
    scene: &mut Scene<'_>,
    trial: u32,
    variable: &'static str,
) -> Result<(&'static str, Vec<Place>)> {
    let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()].0;
    let nth = nth(scene, point);
    let arm = [(variable, format!("{point}:{nth}"))];
    let places = victims(scene, point);
    for place in &places {
        let member = member(scene, *place);
        block_in_place(|| {
            member.start_with(&arm)?;
            // It may be dead before it was ready.
            member.wait().or_else(|error| if member.is_alive() { Err(error) } else { Ok(()) })
        })?;
    }
    let armed = Instant::now();
    while !places.iter().any(|place| member(scene, *place).has_hit(point)) {
        if armed.elapsed() > HIT_WITHIN {
            bail!("the crash point {point}:{nth} was never hit");
        }
        stimulate(scene, point).await?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok((point, places))
}

async fn recovered(
    scene: &mut Scene<'_>,
    point: &str,
    open: &[OrderId],
    since: Instant,
    places: &[Place],
) -> Result<Trial> {
    let took = scene.until_settled(open, since).await.with_context(|| point.to_owned())?;
    for place in places {
        block_in_place(|| member(scene, *place).wait()).with_context(|| point.to_owned())?;
    }
    Ok(Trial::recovered(took))
}

#[cfg(test)]
mod tests {
    use ordermill_common::crash::POINTS;

    #[test]
    fn every_crash_point_is_among_the_documented_ones() {
        let document = xtask::binaries::root().join("docs/guarantees.md");
        let text = std::fs::read_to_string(document).unwrap();
        for (point, what) in POINTS {
            assert!(text.contains(&format!("| `{point}` | {what} |")), "{point}");
        }
    }
}

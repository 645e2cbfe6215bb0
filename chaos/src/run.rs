//! One scenario from its opening to its verdict.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use ordermill_bench::installation::Grounds;
use ordermill_bench::live;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::check::{Expected, check, keep_evidence};
use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::memory::Memory;
use crate::report::Outcome;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Stage;
use crate::vitals::Vitals;

/// The load alone, before the first fault.
const WARM_UP: Duration = Duration::from_secs(6);
/// As many orders as can be, before the load is set to a share of that.
const CAPACITY: Duration = Duration::from_secs(30);
/// Within which the rate of the warm-up is reached again after the last fault.
const RATE_BACK: Duration = Duration::from_secs(30);
const RATE_LOOK: Duration = Duration::from_secs(3);

/// How much is asked of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rigour {
    /// Nothing is lost, doubled or stuck, on however slow a machine.
    Safety,
    /// That, and the rate, the recoveries and the open files are what they were promised to be.
    Full,
}

/// Plays the scenario and answers what came of it; an error means that it could not be played.
pub async fn run(
    grounds: &mut Grounds,
    scenario: &Scenario,
    trials: Range<u32>,
    seed: u64,
    rigour: Rigour,
) -> Result<Outcome> {
    let started = Instant::now();
    let stage = Stage::open(grounds, &(scenario.plan)()).await?;
    let crowd = Crowd::enter(&stage, (scenario.mood)(), seed).await?;
    let dice = Dice::new(seed, scenario.name);
    let mut scene = Scene { stage, crowd, dice, expected: Expected::default() };
    if let Some(share) = scenario.share {
        let capacity = rate(&scene.crowd, CAPACITY).await;
        ensure!(capacity > 0.0, "no order was accepted in {CAPACITY:?}");
        live::note(&format!("{share} % of {capacity:.0} orders a second from here on"));
        scene.crowd.slow_down(capacity * f64::from(share) / 100.0);
    }
    let before = match rigour {
        Rigour::Full => {
            Some((rate(&scene.crowd, WARM_UP).await, Vitals::take(&scene.stage).await?))
        }
        Rigour::Safety => None,
    };

    let mut outcome = Outcome::new(scenario.name);
    let (now, last) = (AtomicU32::new(trials.start), trials.end.saturating_sub(1));
    let line = || format!("{}: trial {} of {last}", scenario.name, now.load(Ordering::Relaxed));
    let mut memory = Memory::default();
    let playing = play(&mut scene, scenario, trials, &now, &mut outcome, &mut memory);
    live::show(line, playing).await?;
    for growth in memory.growths() {
        live::note(&growth.to_string());
        outcome.violations.extend(growth.violation());
    }
    heal(&mut scene, &mut outcome.violations);
    if let Some((rate, _)) = &before {
        if !comes_back(&scene.crowd, *rate).await {
            outcome.violations.push(format!("the rate of {rate:.1}/s did not come back in 30 s"));
        }
        outcome.violations.extend(too_slow(scenario, &outcome));
    }
    let Scene { stage, mut crowd, expected, .. } = scene;
    outcome.violations.extend(check(&stage, &mut crowd, &expected).await);
    outcome.accepted = crowd.accepted();
    // Its connections would count as the APIs'.
    drop(crowd);
    if let Some((_, vitals)) = &before {
        outcome.violations.extend(vitals.compare(&stage).await);
    }
    outcome.took = started.elapsed();
    if !outcome.violations.is_empty() {
        outcome.evidence = Some(evidence(&stage).await?);
    }
    if let Err(error) = stage.close().await {
        outcome.violations.push(format!("it did not stop in order: {error:#}"));
    }
    Ok(outcome)
}

/// The trials, one after the other; the first that cannot be brought to its end is the last.
async fn play(
    scene: &mut Scene<'_>,
    scenario: &Scenario,
    trials: Range<u32>,
    now: &AtomicU32,
    outcome: &mut Outcome,
    memory: &mut Memory,
) {
    for number in trials {
        now.store(number, Ordering::Relaxed);
        match (scenario.act)(scene, number).await {
            Ok(Trial { faults, recovery }) => {
                outcome.trials += 1;
                outcome.faults += faults;
                outcome.recoveries.extend(recovery);
            }
            Err(error) => {
                outcome.violations.push(format!("trial {number}: {error:#}"));
                return;
            }
        }
        memory.look(&scene.stage);
        if number % 25 == 0 {
            let accepted = scene.crowd.accepted();
            live::note(&format!("{}: {number} trials, {accepted} accepted", scenario.name));
        }
    }
}

/// Everything runs and is reached again, whatever the trials left.
fn heal(scene: &mut Scene<'_>, violations: &mut Vec<String>) {
    for links in &scene.stage.links {
        links.heal();
    }
    let stage = &mut scene.stage;
    let members = stage.apis.iter_mut().chain(&mut stage.workers);
    for member in std::iter::once(&mut stage.gateway).chain(members) {
        member.thaw();
        let healed =
            block_in_place(|| if member.is_alive() { member.wait() } else { member.start() });
        if let Err(error) = healed {
            violations.push(format!("{} does not come back: {error:#}", member.name()));
        }
    }
}

fn too_slow(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let (limit, (median, _)) = (scenario.median?, outcome.recovery()?);
    (median > limit).then(|| format!("RECOVERY took {median:.1?}, the median, not {limit:?}"))
}

async fn rate(crowd: &Crowd, during: Duration) -> f64 {
    let before = crowd.accepted();
    sleep(during).await;
    let accepted = u32::try_from(crowd.accepted() - before).unwrap_or(u32::MAX);
    f64::from(accepted) / during.as_secs_f64()
}

async fn comes_back(crowd: &Crowd, before: f64) -> bool {
    let started = Instant::now();
    while started.elapsed() < RATE_BACK {
        if rate(crowd, RATE_LOOK).await >= 0.9 * before {
            return true;
        }
    }
    false
}

async fn evidence(stage: &Stage<'_>) -> Result<PathBuf> {
    keep_evidence(stage).await?;
    Ok(stage.site.folder().to_owned())
}

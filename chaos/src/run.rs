//! One scenario from its opening to its verdict.

mod rate;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use ordermill_bench::installation::Grounds;
use ordermill_bench::live;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::check::{Expected, check, keep_evidence};
use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::memory::Memory;
use crate::report::Outcome;
use crate::scenario;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Stage;
use crate::vitals::Vitals;
use rate::{Usual, Watch};

/// As many orders as can be, before the load is set to a share of that.
const CAPACITY: Duration = Duration::from_secs(30);

/// Among so many there is a recovery; a single kill may meet a worker with nothing in hand.
const ENOUGH_TRIALS: u32 = 30;

/// In which what was under way ends, idle connections are closed, and what was freed goes back to the system.
const REST: Duration = Duration::from_secs(45);

/// Instead of five seconds, where a suite waits: each scenario ends when the last order whose gateway never
/// answers is given up, after five calls.
const SHORT_CALLS: (&str, &str) = ("ORDERMILL_CHARGE_TIMEOUT_MS", "1000");

/// How much is asked of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rigour {
    /// Nothing is lost, doubled or stuck, on however slow a machine; calls of the gateway are short.
    Safety,
    /// That, and the rate, the recoveries, the slowest orders and the open files are what they were promised
    /// to be.
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
    let mut plan = (scenario.plan)();
    if rigour == Rigour::Safety {
        let (name, value) = SHORT_CALLS;
        // A scenario's own comes later, and counts.
        plan.settings.insert(0, (name, value.to_owned()));
    }
    let stage = Stage::open(grounds, &plan).await?;
    // Before anybody comes, as it is compared with what is left when all have gone.
    let vitals = match rigour {
        Rigour::Full => Some(Vitals::of_a_fresh(&stage).await?),
        Rigour::Safety => None,
    };
    // Another part of a long run is another crowd.
    let crowd_seed = Dice::new(seed, &format!("crowd {}", trials.start)).seed();
    let crowd = Crowd::enter(&stage, (scenario.mood)(), crowd_seed).await?;
    let longest_fault = scenario.longest_fault;
    let expected = Expected { longest_fault, ..Expected::default() };
    let dice = Dice::new(seed, scenario.name);
    let whole_since = Instant::now();
    let mut scene = Scene { stage, crowd, dice, expected, rigour, whole_since };
    let mut most = f64::INFINITY;
    if let Some(share) = scenario.share {
        let capacity = rate::capacity(&scene, CAPACITY).await?;
        live::note(&format!("{share} % of {capacity:.0} orders a second from here on"));
        most = capacity * f64::from(share) / 100.0;
        scene.crowd.slow_down(most);
    }
    let usual = match rigour {
        Rigour::Full => Some(Usual::learn(&scene, most).await?),
        Rigour::Safety => None,
    };

    let mut outcome = Outcome::new(scenario.name);
    let (now, last) = (AtomicU32::new(trials.start), trials.end.saturating_sub(1));
    let line = || format!("{}: trial {} of {last}", scenario.name, now.load(Ordering::Relaxed));
    let mut memory = Memory::default();
    let watch = usual.map(|usual| (usual, Watch::begin(&scene)));
    let playing = play(&mut scene, scenario, (trials, seed), &now, &mut outcome, &mut memory);
    live::show(line, playing).await?;
    outcome.violations.extend(memory.verdict(scenario.share.is_some()));
    let whole_since = scene.whole_since;
    heal(&mut scene, &mut outcome.violations).await;
    if let Some((usual, watch)) = watch {
        // What a trial left broken is healed only now.
        let is_whole = outcome.violations.is_empty();
        let since = if is_whole { whole_since } else { Instant::now() };
        outcome.violations.extend(usual.comes_back(&watch, since).await);
        outcome.violations.extend(too_slow(scenario, &outcome));
    }
    let Scene { mut stage, mut crowd, expected, .. } = scene;
    outcome.violations.extend(check(&stage, &mut crowd, &expected, rigour).await);
    outcome.accepted = crowd.accepted();
    if outcome.accepted == 0 {
        outcome.violations.push("nothing was accepted: this run shows nothing".to_owned());
    }
    // Its connections would count as the APIs'.
    drop(crowd);
    if let Some(vitals) = &vitals {
        outcome.violations.extend(vitals.compare(&stage).await);
    }
    outcome.violations.extend(stage.members().flat_map(|member| member.deaths().to_vec()));
    outcome.took = started.elapsed();
    if !outcome.violations.is_empty() {
        outcome.evidence = Some(stage.site.folder().to_owned());
        let failed = keep_evidence(&stage).await;
        let failed = failed.iter().map(|error| format!("evidence is missing: {error:#}"));
        outcome.violations.extend(failed);
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
    (trials, seed): (Range<u32>, u64),
    now: &AtomicU32,
    outcome: &mut Outcome,
    memory: &mut Memory,
) {
    for number in trials {
        now.store(number, Ordering::Relaxed);
        // Its own for each, so that a part of a run chooses what the whole run would.
        scene.dice = Dice::new(seed, &format!("{} {number}", scenario.name));
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
        memory.meet(&scene.stage);
        if memory.is_due() {
            scene.crowd.rest();
            sleep(REST).await;
            memory.look(&scene.stage);
            scene.crowd.go_on();
            scene.whole_since = Instant::now();
        }
        if number % 25 == 0 {
            let accepted = scene.crowd.accepted();
            live::note(&format!("{}: {number} trials, {accepted} accepted", scenario.name));
        }
    }
}

/// Everything runs and is reached again, whatever the trials left.
async fn heal(scene: &mut Scene<'_>, violations: &mut Vec<String>) {
    for links in &scene.stage.links {
        links.heal();
    }
    if !violations.is_empty()
        && let Err(error) = scenario::undo(scene).await
    {
        violations.push(format!("what the trial did cannot be undone: {error:#}"));
    }
    for member in scene.stage.members() {
        member.thaw();
        let healed =
            block_in_place(|| if member.is_alive() { member.wait() } else { member.start() });
        if let Err(error) = healed {
            violations.push(format!("{} does not come back: {error:#}", member.name()));
        }
    }
    scene.heals();
}

/// Compares the recoveries with what was promised of them.
fn too_slow(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let limit = scenario.median?;
    let Some((median, _)) = outcome.recovery() else {
        let words = || format!("RECOVERY: in {} trials there was none", outcome.trials);
        return (outcome.trials >= ENOUGH_TRIALS).then(words);
    };
    (median > limit).then(|| format!("RECOVERY took {median:.1?}, the median, not {limit:?}"))
}

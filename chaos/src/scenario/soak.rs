//! An hour of ordinary load in which something breaks every minute.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use ordermill_bench::live;
use tokio::time::{Instant, sleep};

use super::{kill, link, outage, queue, row};
use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

const MINUTE: Duration = Duration::from_mins(1);
/// In the beginning, so that every process has met each of them before its memory counts as settled.
const FIRST: Duration = Duration::from_secs(48);
/// Those that are over within a minute.
const FAULTS: [&str; 12] = [
    "worker-kill",
    "api-kill",
    "gateway-kill",
    "database-kill",
    "broker-kill",
    "broker-alarm",
    "link-cut",
    "link-truncated",
    "lost-commit",
    "black-hole",
    "queues-deleted",
    "row-held",
];

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        plan: || Plan { spared: 1, links: true, ..Plan::default() },
        mood: || Mood { buyers: 64, think_ms: 0, ..Mood::default() },
        share: Some(70),
        ..Scenario::new(
            "soak",
            "An hour at 70 % of what can be accepted, with one of twelve faults every minute, each once in the \
             beginning; one API and one worker are spared, and their memory is watched: every five minutes the \
             buyers rest, and it is looked at.",
            (60, 0),
            act,
        )
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, minute: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let began = Instant::now();
        scene.go_on(0, 20_000).await;
        let first = usize::try_from(minute - 1)?;
        let (name, lasts) = match FAULTS.get(first) {
            Some(name) => (*name, FIRST),
            None => (*scene.dice.pick(&FAULTS), MINUTE),
        };
        let fault = fault(name).with_context(|| format!("{name} is no scenario"))?;
        let trial = (fault.act)(scene, minute).await.context(name)?;
        let recovered = match trial.recovery {
            Some(recovery) => format!("recovered in {recovery:.1?}"),
            None => "nothing to recover from".to_owned(),
        };
        live::note(&format!("soak: minute {minute}: {name}, {recovered}"));
        sleep(lasts.saturating_sub(began.elapsed())).await;
        Ok(trial)
    })
}

fn fault(name: &str) -> Option<Scenario> {
    let rooms = [kill::all(), link::all(), outage::all(), queue::all(), row::all()];
    rooms.into_iter().flatten().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_a_scenario() {
        for name in FAULTS {
            assert!(fault(name).is_some(), "{name}");
        }
    }
}

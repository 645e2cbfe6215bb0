//! The memory of the processes that live long: it must not grow once it has settled.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use crate::stage::{Member, Stage};

/// What a process needs in its beginning says nothing.
const SETTLING: Duration = Duration::from_mins(10);
/// Of a shorter time nothing can be said.
const SHORTEST: Duration = Duration::from_mins(20);
/// Hundredths an hour.
const LIMIT: f64 = 2.0;
const HOUR: f64 = 3600.0;

/// What each process held, look after look.
#[derive(Debug)]
pub struct Memory {
    started: Instant,
    /// By name and process id: seconds and KiB.
    lives: BTreeMap<(String, u32), Vec<(f64, f64)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { started: Instant::now(), lives: BTreeMap::new() }
    }
}

/// How the memory of one process grew after it had settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    name: String,
    /// Its memory on average.
    kib: f64,
    /// Hundredths of that, an hour.
    percent: f64,
}

impl Memory {
    /// Looks at every process that runs.
    pub fn look(&mut self, stage: &Stage<'_>) {
        let now = self.started.elapsed().as_secs_f64();
        for member in stage.apis.iter().chain(&stage.workers) {
            let Some((pid, kib)) = resident(member) else { continue };
            self.lives.entry((member.name().to_owned(), pid)).or_default().push((now, kib));
        }
    }

    /// The growth of every process that lived long enough.
    pub fn growths(&self) -> Vec<Growth> {
        let grown = |((name, _), looks): (&(String, u32), &Vec<(f64, f64)>)| {
            let settled = looks.first()?.0 + SETTLING.as_secs_f64();
            let looks: Vec<_> = looks.iter().copied().filter(|look| look.0 >= settled).collect();
            let long = looks.last()?.0 - looks.first()?.0 >= SHORTEST.as_secs_f64();
            long.then(|| Growth::of(name.clone(), &looks))
        };
        self.lives.iter().filter_map(grown).collect()
    }
}

impl Growth {
    /// The straight line with the least squares.
    fn of(name: String, looks: &[(f64, f64)]) -> Self {
        let count = f64::from(u32::try_from(looks.len()).unwrap_or(u32::MAX));
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
        let time = mean(&mut looks.iter().map(|look| look.0));
        let kib = mean(&mut looks.iter().map(|look| look.1));
        let with = mean(&mut looks.iter().map(|look| (look.0 - time) * (look.1 - kib)));
        let along = mean(&mut looks.iter().map(|look| (look.0 - time).powi(2)));
        Self { name, kib, percent: 100.0 * HOUR * with / along / kib }
    }

    /// What is wrong with it, if anything is.
    pub fn violation(&self) -> Option<String> {
        (self.percent > LIMIT).then(|| format!("MEMORY: {self}"))
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kib, percent } = self;
        write!(f, "{name} holds {:.1} MiB and grows by {percent:.1} % an hour", kib / 1024.0)
    }
}

/// What it holds that is no file's.
fn resident(member: &Member) -> Option<(u32, f64)> {
    let pid = member.pid()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some((pid, line.trim().strip_suffix(" kB")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(looks: impl Iterator<Item = (f64, f64)>) -> Memory {
        let lives = BTreeMap::from([(("worker-1".to_owned(), 1), looks.collect())]);
        Memory { lives, ..Memory::default() }
    }

    fn minutes(count: u32) -> impl Iterator<Item = f64> {
        (0..count).map(|minute| f64::from(minute) * 60.0)
    }

    #[test]
    fn what_grows_for_ever_is_told_from_what_has_settled() {
        let settled = memory(minutes(60).map(|at| (at, if at < 600.0 { at } else { 20_000.0 })));
        assert_eq!(settled.growths()[0].violation(), None);
        let leaking = memory(minutes(60).map(|at| (at, 20_000.0 + at / 3600.0 * 1_000.0)));
        let words = leaking.growths()[0].violation().unwrap_or_default();
        assert!(words.contains("worker-1") && words.contains("4.9 % an hour"), "{words}");
    }

    #[test]
    fn nothing_is_said_of_a_short_life() {
        assert_eq!(memory(minutes(25).map(|at| (at, at))).growths(), Vec::new());
    }
}

//! The memory of the processes that live long: it must not grow once it has settled.
//!
//! Under load a process holds now more and now less, by the megabyte and for a quarter of an hour, as its
//! connections come and go and as the allocator keeps what was freed. So what counts is what it holds when the
//! buyers rest, which is like with like; and a growth counts when it is larger than what chance alone makes of
//! such numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use ordermill_bench::live;

use crate::stage::{Member, Stage};

/// What a process needs in its beginning says nothing.
const SETTLING: Duration = Duration::from_mins(10);
/// Of a shorter time nothing can be said.
const SHORTEST: Duration = Duration::from_mins(20);
/// Between two rests of the buyers.
const BETWEEN: Duration = Duration::from_mins(5);
/// Hundredths an hour.
const LIMIT: f64 = 2.0;
/// Within so many standard errors of what was measured lies what is.
const ERRORS: f64 = 2.0;
const HOUR: f64 = 3600.0;

/// What each process held, look after look.
#[derive(Debug)]
pub struct Memory {
    started: Instant,
    last_rest: Instant,
    /// By name and process id.
    lives: BTreeMap<(String, u32), Life>,
}

/// What is known of one process.
#[derive(Debug, Clone, Default)]
struct Life {
    /// When it was seen first, in seconds of the run.
    since: f64,
    /// Seconds of the run and KiB, while the buyers rested.
    looks: Vec<(f64, f64)>,
}

impl Default for Memory {
    fn default() -> Self {
        let now = Instant::now();
        Self { started: now, last_rest: now, lives: BTreeMap::new() }
    }
}

/// How the memory of one process grew after it had settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    name: String,
    /// What it held, look after look, in KiB.
    held: Vec<f64>,
    /// Their mean.
    kib: f64,
    /// Hundredths of that, an hour.
    percent: f64,
    /// How far from it the truth may be.
    margin: f64,
}

impl Memory {
    /// Notes who runs.
    pub fn meet(&mut self, stage: &Stage<'_>) {
        self.each(stage, |_, _, _| ());
    }

    /// Whether the buyers are to rest, and the memory is to be looked at.
    pub fn is_due(&self) -> bool {
        self.last_rest.elapsed() >= BETWEEN
    }

    /// Looks at every process that runs, at the end of a rest.
    pub fn look(&mut self, stage: &Stage<'_>) {
        self.each(stage, |life, now, kib| life.looks.push((now, kib)));
        self.last_rest = Instant::now();
    }

    fn each(&mut self, stage: &Stage<'_>, note: impl Fn(&mut Life, f64, f64)) {
        let now = self.started.elapsed().as_secs_f64();
        for member in stage.apis.iter().chain(&stage.workers) {
            let Some((pid, kib)) = resident(member) else { continue };
            let key = (member.name().to_owned(), pid);
            let met = Life { since: now, ..Life::default() };
            note(self.lives.entry(key).or_insert(met), now, kib);
        }
    }

    /// Tells how each process grew, and answers what is wrong. Of a run that `watches` the memory and was
    /// long enough, nothing known is wrong as well; what is known too vaguely is only said.
    pub fn verdict(&self, watches: bool) -> Vec<String> {
        let growths = self.growths();
        for growth in &growths {
            let vague =
                if watches && growth.is_vague() { ", which is not known well enough" } else { "" };
            live::note(&format!("{growth}{vague}"));
        }
        let is_unknown =
            growths.is_empty() && watches && self.started.elapsed() > SETTLING + 2 * SHORTEST;
        let unknown = is_unknown.then(|| "MEMORY: no process lived long enough".to_owned());
        growths.iter().filter_map(Growth::violation).chain(unknown).collect()
    }

    /// The growth of every process that lived long enough.
    fn growths(&self) -> Vec<Growth> {
        let grown = |((name, _), life): (&(String, u32), &Life)| {
            let settled = life.since + SETTLING.as_secs_f64();
            let looks: Vec<_> =
                life.looks.iter().copied().filter(|look| look.0 >= settled).collect();
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
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| looks.iter().map(of).sum::<f64>();
        let (time, kib) = (sum(&|look| look.0) / count, sum(&|look| look.1) / count);
        let spread = sum(&|look| (look.0 - time).powi(2));
        let slope = sum(&|look| (look.0 - time) * (look.1 - kib)) / spread;
        let off = sum(&|look| (look.1 - kib - slope * (look.0 - time)).powi(2));
        let error = (off / (count - 2.0).max(1.0) / spread).sqrt();
        let percent = |slope: f64| 100.0 * HOUR * slope / kib;
        let held = looks.iter().map(|look| look.1).collect();
        Self { name, held, kib, percent: percent(slope), margin: percent(ERRORS * error) }
    }

    /// Whether it may be more than it must be, and may not.
    fn is_vague(&self) -> bool {
        self.violation().is_none() && self.percent + self.margin > LIMIT
    }

    /// What is wrong with it, if anything is.
    fn violation(&self) -> Option<String> {
        (self.percent - self.margin > LIMIT).then(|| format!("MEMORY: {self}"))
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, held, kib, percent, margin } = self;
        let mib = kib / 1024.0;
        write!(f, "{name} holds {mib:.1} MiB and grows by {percent:.1} ± {margin:.1} % an hour (")?;
        for (place, look) in held.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{:.1}", look / 1024.0)?;
        }
        f.write_str(")")
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
        let life = Life { since: 0.0, looks: looks.collect() };
        Memory { lives: BTreeMap::from([(("worker-1".to_owned(), 1), life)]), ..Memory::default() }
    }

    /// When the buyers rest within so many minutes.
    fn rests(minutes: u32) -> impl Iterator<Item = f64> {
        (0..minutes).step_by(5).map(|minute| f64::from(minute) * 60.0)
    }

    /// Now more and now less, without end.
    fn unrest(at: f64) -> f64 {
        400.0 * (at / 97.0).sin() + 200.0 * (at / 31.0).cos()
    }

    #[test]
    fn what_grows_for_ever_is_told_from_what_has_settled() {
        let settled = memory(rests(65).map(|at| {
            let kib = if at < 600.0 { at } else { 20_000.0 };
            (at, kib + unrest(at))
        }));
        assert_eq!(settled.growths()[0].violation(), None);
        let leaking =
            memory(rests(65).map(|at| (at, 20_000.0 + at / 3600.0 * 4_000.0 + unrest(at))));
        let words = leaking.growths()[0].violation().unwrap_or_default();
        assert!(words.contains("worker-1"), "{words}");
        let slowly = memory(rests(65).map(|at| (at, 20_000.0 + at / 3600.0 * 1_000.0)));
        let words = slowly.growths()[0].violation().unwrap_or_default();
        assert!(words.contains("± 0.0 % an hour"), "{words}");
    }

    #[test]
    fn what_may_be_too_much_and_may_not_is_vague() {
        let (name, held) = (String::new(), Vec::new());
        let still = Growth { name, held, kib: 1.0, percent: 0.0, margin: 0.0 };
        let grows = |percent, margin| Growth { percent, margin, ..still.clone() };
        assert!(grows(1.8, 10.8).is_vague() && grows(6.5, 6.7).is_vague());
        assert!(!grows(1.2, 0.7).is_vague() && !grows(-9.3, 9.7).is_vague());
        assert!(!grows(188.0, 50.0).is_vague());
    }

    #[test]
    fn nothing_is_said_of_a_short_life() {
        assert_eq!(memory(rests(30).map(|at| (at, at))).growths(), Vec::new());
    }
}

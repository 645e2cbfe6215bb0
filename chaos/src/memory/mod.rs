//! The memory of the processes that live long: it must not grow once it has settled.
//!
//! Two things are looked at: what the process has in use, by its allocator's books, and what the system gave
//! it, which also holds what was freed and is kept, and lacks what was taken and is not yet touched. Under load
//! both are now more and now less, as connections come and go. So what counts is what they are when the buyers
//! rest, which is like with like; and a growth counts when it is larger than what chance alone makes of such
//! numbers.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use ordermill_bench::installation::ask;
use ordermill_bench::live;
use tokio::task::block_in_place;

use crate::stage::{Member, Stage};
use growth::Growth;

mod growth;

/// What a process needs in its beginning says nothing.
const SETTLING: Duration = Duration::from_mins(10);
/// Of a shorter time nothing can be said.
const SHORTEST: Duration = Duration::from_mins(20);
/// Between two rests of the buyers.
const BETWEEN: Duration = Duration::from_mins(5);

/// What each process had, look after look.
#[derive(Debug)]
pub struct Memory {
    started: Instant,
    last_rest: Instant,
    /// By name and process id.
    lives: BTreeMap<(String, u32), Life>,
}

/// What is known of one process.
#[derive(Debug)]
struct Life {
    /// When it was seen first, in seconds of the run.
    since: f64,
    /// While the buyers rested.
    looks: Vec<Look>,
}

/// What a process had at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// Seconds of the run.
    at: f64,
    /// KiB that it had in use.
    used: f64,
    /// KiB that the system had given it, and that are no file's.
    held: f64,
}

impl Default for Memory {
    fn default() -> Self {
        let now = Instant::now();
        Self { started: now, last_rest: now, lives: BTreeMap::new() }
    }
}

impl Memory {
    /// Notes who runs.
    pub fn meet(&mut self, stage: &Stage<'_>) {
        for member in members(stage) {
            self.life(member);
        }
    }

    /// Whether the buyers are to rest, and the memory is to be looked at.
    pub fn is_due(&self) -> bool {
        self.last_rest.elapsed() >= BETWEEN
    }

    /// Looks at every process that answers, at the end of a rest.
    pub fn look(&mut self, stage: &Stage<'_>) {
        for member in members(stage) {
            let sizes = block_in_place(|| Some((in_use(member)?, resident(member)?)));
            let at = self.started.elapsed().as_secs_f64();
            if let (Some((used, held)), Some(life)) = (sizes, self.life(member)) {
                life.looks.push(Look { at, used, held });
            }
        }
        self.last_rest = Instant::now();
    }

    /// Of the process that runs there now.
    fn life(&mut self, member: &Member) -> Option<&mut Life> {
        let since = self.started.elapsed().as_secs_f64();
        let key = (member.name().to_owned(), member.pid()?);
        Some(self.lives.entry(key).or_insert(Life { since, looks: Vec::new() }))
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

    /// Both growths of every process that lived long enough.
    fn growths(&self) -> Vec<Growth> {
        let long_lives = self.lives.iter().filter_map(|((name, _), life)| {
            let settled = life.since + SETTLING.as_secs_f64();
            let is_settled = |look: &&Look| look.at >= settled;
            let looks: Vec<&Look> = life.looks.iter().filter(is_settled).collect();
            let long = looks.last()?.at - looks.first()?.at >= SHORTEST.as_secs_f64();
            long.then_some((name, looks))
        });
        let both = |(name, looks): (&String, Vec<&Look>)| {
            let of = |size: fn(&Look) -> f64| -> Vec<_> {
                looks.iter().map(|look| (look.at, size(look))).collect()
            };
            [
                Growth::of(format!("what {name} has in use"), &of(|look| look.used)),
                Growth::of(format!("what {name} holds"), &of(|look| look.held)),
            ]
        };
        long_lives.flat_map(both).collect()
    }
}

fn members<'a>(stage: &'a Stage<'_>) -> impl Iterator<Item = &'a Member> {
    stage.apis.iter().chain(&stage.workers)
}

/// KiB that its allocator counts.
fn in_use(member: &Member) -> Option<f64> {
    let bytes: f64 = ask(member.address(), "/memory")?.parse().ok()?;
    Some(bytes / 1024.0)
}

/// KiB that the system counts and that are no file's.
fn resident(member: &Member) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", member.pid()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One process, and what it held after so many seconds; what it has in use stays.
    fn memory(held: impl Iterator<Item = (f64, f64)>) -> Memory {
        let looks = held.map(|(at, held)| Look { at, used: 1.0, held }).collect();
        let life = Life { since: 0.0, looks };
        Memory { lives: BTreeMap::from([(("worker-1".to_owned(), 1), life)]), ..Memory::default() }
    }

    fn violations(memory: &Memory) -> Vec<String> {
        memory.growths().iter().filter_map(Growth::violation).collect()
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
        assert_eq!(violations(&settled), Vec::<String>::new());
        let leaking =
            memory(rests(65).map(|at| (at, 20_000.0 + at / 3600.0 * 4_000.0 + unrest(at))));
        let words = violations(&leaking).concat();
        assert!(words.contains("what worker-1 holds"), "{words}");
        let slowly = memory(rests(65).map(|at| (at, 20_000.0 + at / 3600.0 * 1_000.0)));
        let words = violations(&slowly).concat();
        assert!(words.contains("± 0.0 % an hour"), "{words}");
    }

    #[test]
    fn what_is_in_use_must_not_grow_behind_what_is_held() {
        let mut leaking = memory(rests(65).map(|at| (at, 20_000.0)));
        for look in leaking.lives.values_mut().flat_map(|life| &mut life.looks) {
            look.used = 2_000.0 + look.at / 3600.0 * 100.0;
        }
        let words = violations(&leaking).concat();
        assert!(words.contains("what worker-1 has in use"), "{words}");
    }

    #[test]
    fn nothing_is_said_of_a_short_life() {
        assert_eq!(memory(rests(30).map(|at| (at, at))).growths(), Vec::new());
    }
}

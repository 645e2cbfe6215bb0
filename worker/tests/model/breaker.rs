//! The breaker against a reference that keeps no state but the whole story, and reads it anew each time.

use std::time::{Duration, Instant};

use ordermill_common::payment::Breaker;
use ordermill_common::payment::breaker::{BreakerLimits, Pass};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::config;

#[derive(Debug, Clone)]
enum Event {
    Pass,
    /// One of the calls under way ends, with a verdict or without.
    End(u8, bool),
    Wait(Duration),
}

const LIMITS: BreakerLimits = BreakerLimits {
    failures: 3,
    pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(5),
    probe: Duration::from_secs(10),
};

/// What happened, in words that a reader of the breaker's promise would use.
#[derive(Debug, Clone, Copy)]
enum Told {
    Let { call: usize, at: Duration },
    Ended { call: usize, verdict: bool, at: Duration },
}

/// When calls are let through again: `None` for now, and with whose probe the gateway is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Free { failures: u32 },
    Shut { until: Duration, pause: Duration },
    Tried { by: usize, since: Duration, pause: Duration },
}

fn gate(story: &[Told]) -> Gate {
    let mut gate = Gate::Free { failures: 0 };
    for told in story {
        gate = match (*told, gate) {
            (Told::Ended { verdict: true, .. }, _) => Gate::Free { failures: 0 },
            (Told::Ended { at, .. }, Gate::Free { failures: 2 }) => {
                Gate::Shut { until: at + LIMITS.pause, pause: LIMITS.pause }
            }
            (Told::Ended { .. }, Gate::Free { failures }) => Gate::Free { failures: failures + 1 },
            (Told::Ended { call, at, .. }, Gate::Tried { by, pause, .. }) if call == by => {
                let pause = (pause + pause).min(LIMITS.longest_pause);
                Gate::Shut { until: at + pause, pause }
            }
            (Told::Let { call, at }, Gate::Shut { pause, .. } | Gate::Tried { pause, .. }) => {
                Gate::Tried { by: call, since: at, pause }
            }
            (_, same) => same,
        };
    }
    gate
}

fn lets_through(story: &[Told], now: Duration) -> bool {
    match gate(story) {
        Gate::Free { .. } => true,
        Gate::Shut { until, .. } => now >= until,
        Gate::Tried { since, .. } => now >= since + LIMITS.probe,
    }
}

fn compare(events: &[Event]) {
    let epoch = Instant::now();
    let mut breaker = Breaker::new(LIMITS);
    let (mut now, mut story, mut calls) = (Duration::ZERO, Vec::new(), Vec::<(usize, Pass)>::new());
    for (number, event) in events.iter().enumerate() {
        match event {
            Event::Wait(time) => now += *time,
            Event::Pass => {
                let expected = lets_through(&story, now);
                let pass = breaker.pass(epoch + now);
                assert_eq!(pass.is_ok(), expected, "{story:?} at {now:?}");
                if let Ok(pass) = pass {
                    story.push(Told::Let { call: number, at: now });
                    calls.push((number, pass));
                }
            }
            Event::End(which, verdict) => {
                if calls.is_empty() {
                    continue;
                }
                let (call, pass) = calls.swap_remove(usize::from(*which) % calls.len());
                let _ = breaker.record(&pass, *verdict, epoch + now);
                story.push(Told::Ended { call, verdict: *verdict, at: now });
            }
        }
        let free = matches!(gate(&story), Gate::Free { .. });
        assert_eq!(breaker.is_open(), !free, "{story:?}");
    }
}

#[test]
fn the_breaker_lets_through_what_its_story_allows() {
    let event = prop_oneof![
        5 => Just(Event::Pass),
        5 => (any::<u8>(), prop::bool::weighted(0.1)).prop_map(|(which, ok)| Event::End(which, ok)),
        3 => (1_u64..12_000).prop_map(|ms| Event::Wait(Duration::from_millis(ms))),
        1 => Just(Event::Wait(Duration::from_secs(1))),
    ];
    let events = prop::collection::vec(event, 1..80);
    let outcome = TestRunner::new(config()).run(&events, |events| {
        compare(&events);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

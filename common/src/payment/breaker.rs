//! A circuit breaker for charges: when the gateway has given no verdict many times in a row, orders are put
//! off at once instead of holding a permit for a call's whole timeout.
//!
//! ```text
//! closed --(no verdict, `failures` times in a row)--> open --(the pause is over)--> probing, one call
//!   ^                                                   ^                              |
//!   +------------------- a verdict ---------------------+----- no verdict, pause x2 ---+
//! ```
//!
//! Any verdict closes it, a decline as well: it shows that the gateway answers. Only an unbroken row of
//! failures opens it, so that one buyer's slow or silent token among others does not.

use std::time::{Duration, Instant};

/// When a breaker opens and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Calls without a verdict, one after another, that open it.
    pub failures: u32,
    /// How long it is open at first; each failed probe doubles it.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A probe whose end was not recorded in this time is given up, and the next call probes.
    pub probe: Duration,
}

impl Default for BreakerLimits {
    /// 20 in a row; 1 s, doubling to 30 s; a probe is lost after 60 s.
    fn default() -> Self {
        Self {
            failures: 20,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            probe: Duration::from_mins(1),
        }
    }
}

/// Counts verdicts and decides who may call. Time is handed in; it does nothing by itself.
#[derive(Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
    /// When it opened, and when the last call ended without a verdict; until a verdict closes it.
    silence: Option<(Instant, Instant)>,
}

/// Leave to make one call; its end is recorded with [`Breaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Pass {
    probe: Option<Instant>,
}

/// What recording a call's end changed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The breaker is open from now on, or again, for this long.
    Opened(Duration),
    /// The gateway answers again.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Probing { since: Instant, pause: Duration },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 }, silence: None }
    }

    /// Leave to call now; while the breaker is open or a probe is under way, for how long calls have ended without a
    /// verdict since it opened. Time in which nobody called does not count.
    pub fn pass(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.state {
            State::Closed { .. } => Ok(Pass { probe: None }),
            State::Open { until, pause } if now >= until => Ok(self.probe(now, pause)),
            State::Probing { since, pause } if now >= since + self.limits.probe => {
                Ok(self.probe(now, pause))
            }
            State::Open { .. } | State::Probing { .. } => Err(self.silent_for()),
        }
    }

    /// Notes how a call that was let through ended. A call from before the breaker opened can close it
    /// but not prolong the pause.
    pub fn record(&mut self, pass: &Pass, verdict: bool, now: Instant) -> Change {
        if verdict {
            self.silence = None;
            let was = std::mem::replace(&mut self.state, State::Closed { failures: 0 });
            return if matches!(was, State::Closed { .. }) { Change::None } else { Change::Closed };
        }
        if let Some((_, last)) = &mut self.silence {
            *last = now;
        }
        match self.state {
            State::Closed { failures } if failures + 1 < self.limits.failures => {
                self.state = State::Closed { failures: failures + 1 };
                Change::None
            }
            State::Closed { .. } => self.open(self.limits.pause, now),
            State::Probing { since, pause } if pass.probe == Some(since) => {
                self.open((pause * 2).min(self.limits.longest_pause), now)
            }
            State::Open { .. } | State::Probing { .. } => Change::None,
        }
    }

    /// Whether calls are put off now.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    fn silent_for(&self) -> Duration {
        self.silence.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }

    fn probe(&mut self, now: Instant, pause: Duration) -> Pass {
        self.state = State::Probing { since: now, pause };
        Pass { probe: Some(now) }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        self.state = State::Open { until: now + pause, pause };
        self.silence.get_or_insert((now, now));
        Change::Opened(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) -> Change {
        let mut change = Change::None;
        for _ in 0..times {
            let pass = breaker.pass(now).expect("still closed");
            change = breaker.record(&pass, false, now);
        }
        change
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerLimits::default());
        assert_eq!(fail(&mut breaker, 20, now), Change::Opened(SECOND));
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn only_an_unbroken_row_of_failures_opens_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..10 {
            assert_eq!(fail(&mut breaker, 19, now), Change::None);
            let pass = breaker.pass(now).unwrap();
            assert_eq!(breaker.record(&pass, true, now), Change::None);
        }
        assert!(!breaker.is_open());
        assert_eq!(fail(&mut breaker, 20, now), Change::Opened(SECOND));
        assert_eq!(breaker.pass(now), Err(Duration::ZERO));
    }

    #[test]
    fn after_the_pause_one_call_probes_and_its_verdict_closes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.pass(now + SECOND / 2), Err(Duration::ZERO));
        let probe = breaker.pass(now + SECOND).unwrap();
        assert_eq!(breaker.pass(now + SECOND), Err(Duration::ZERO));
        assert_eq!(breaker.record(&probe, true, now + SECOND), Change::Closed);
        assert_eq!(fail(&mut breaker, 19, now + SECOND), Change::None);
    }

    #[test]
    fn a_failed_probe_doubles_the_pause_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = vec![];
        for _ in 0..6 {
            now += Duration::from_secs(30);
            let probe = breaker.pass(now).unwrap();
            if let Change::Opened(pause) = breaker.record(&probe, false, now) {
                pauses.push(pause.as_secs());
            }
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn it_tells_for_how_long_calls_had_no_verdict_through_all_its_probes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        for second in [10, 20, 30] {
            let probe = breaker.pass(now + second * SECOND).unwrap();
            let _ = breaker.record(&probe, false, now + second * SECOND);
        }
        assert_eq!(breaker.pass(now + 31 * SECOND), Err(30 * SECOND));
        let probe = breaker.pass(now + 40 * SECOND).unwrap();
        assert_eq!(breaker.record(&probe, true, now + 40 * SECOND), Change::Closed);
        assert_eq!(fail(&mut breaker, 20, now + 50 * SECOND), Change::Opened(SECOND));
        assert_eq!(breaker.pass(now + 50 * SECOND), Err(Duration::ZERO));
    }

    #[test]
    fn calls_from_before_it_opened_close_it_with_a_verdict_and_prolong_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerLimits::default());
        let (early, slow) = (breaker.pass(now).unwrap(), breaker.pass(now).unwrap());
        fail(&mut breaker, 20, now);
        assert_eq!(breaker.record(&early, false, now + SECOND / 2), Change::None);
        let _probe = breaker.pass(now + SECOND).unwrap();
        assert_eq!(breaker.record(&early, false, now + SECOND), Change::None);
        assert_eq!(breaker.record(&slow, true, now + SECOND), Change::Closed);
    }

    #[test]
    fn a_lost_probe_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let lost = breaker.pass(now + SECOND).unwrap();
        assert_eq!(breaker.pass(now + 60 * SECOND), Err(Duration::ZERO));
        let probe = breaker.pass(now + 61 * SECOND).unwrap();
        assert_eq!(breaker.record(&lost, false, now + 61 * SECOND), Change::None);
        assert_eq!(breaker.record(&probe, true, now + 61 * SECOND), Change::Closed);
    }
}

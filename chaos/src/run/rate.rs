//! How many orders are settled a second, and whether that comes back after the last fault.
//!
//! What had piled up is no rate: an installation that works it off settles more than is asked of it, and may
//! do nothing afterwards. So the rate is taken from moments on at which no more waits than usual.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use ordermill_common::db::Db;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::scene::Scene;
use crate::stage::Sight;
use crate::testimony::Testimony;

/// The load alone, before the first fault.
const WARM_UP: Duration = Duration::from_secs(12);
/// Within which the rate of the warm-up is there again after the last fault.
const RATE_BACK: Duration = Duration::from_secs(30);
/// For how long it has to be.
const WINDOW: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_secs(1);
/// Of the usual rate.
const ENOUGH: f64 = 0.9;
/// Orders come by chance, so their counts differ by their square roots. With so many of these for granted
/// (and every window of half a minute has its chance) chance alone fails less than one run in a million, at
/// forty orders a second as at ten.
const NOISE: f64 = 1.5;

/// What can be seen at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Seconds since the first.
    at: f64,
    /// Orders that were settled so far: what was accepted, less what waits.
    settled: f64,
    /// Orders that wait and could be settled at once.
    open: f64,
}

/// Who looks, each second from its beginning on, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    since: Instant,
    looks: Arc<Mutex<Vec<Look>>>,
    _looking: JoinSet<()>,
}

impl Watch {
    pub(super) fn begin(scene: &Scene<'_>) -> Self {
        let (since, looks) = (Instant::now(), Arc::default());
        let (db, testimony) = (scene.stage.db.clone(), Arc::clone(&scene.crowd.testimony));
        let mut looking = JoinSet::new();
        let noted: Arc<Mutex<Vec<Look>>> = Arc::clone(&looks);
        looking.spawn(async move {
            loop {
                // A look that fails is none: what is between its neighbours counts all the same.
                if let Ok(look) = Look::take(&db, &testimony, since).await {
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                }
                sleep(LOOK).await;
            }
        });
        Self { since, looks, _looking: looking }
    }

    /// What was seen from then on, which is when its seconds begin.
    fn since(&self, from: Instant) -> Vec<Look> {
        let from = from.duration_since(self.since).as_secs_f64();
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let later = looks.iter().filter(|look| look.at >= from);
        later.map(|look| Look { at: look.at - from, ..*look }).collect()
    }
}

impl Look {
    async fn of(scene: &Scene<'_>, since: Instant) -> Result<Self> {
        Self::take(&scene.stage.db, &scene.crowd.testimony, since).await
    }

    async fn take(db: &Db, testimony: &Testimony, since: Instant) -> Result<Self> {
        let at = since.elapsed().as_secs_f64();
        let open = f64::from(u32::try_from(Sight::prompt_count(db).await?)?);
        let waiting = Sight::waiting(db).await?;
        let accepted = i64::try_from(testimony.told().accepted)?;
        let settled = f64::from(i32::try_from(accepted - waiting)?);
        Ok(Self { at, settled, open })
    }
}

/// Orders settled a second, counted for so long.
#[derive(Debug, Clone, Copy)]
struct Rate {
    a_second: f64,
    seconds: f64,
}

impl Rate {
    fn between(from: &Look, to: &Look) -> Self {
        let seconds = to.at - from.at;
        Self { a_second: (to.settled - from.settled) / seconds, seconds }
    }

    /// How far chance may have moved it, squared.
    fn variance(&self) -> f64 {
        self.a_second.max(0.0) / self.seconds
    }
}

/// Orders settled a second; more than nothing.
pub(super) async fn capacity(scene: &Scene<'_>, during: Duration) -> Result<f64> {
    let since = Instant::now();
    let from = Look::of(scene, since).await?;
    sleep(during).await;
    let rate = Rate::between(&from, &Look::of(scene, since).await?);
    ensure!(rate.a_second > 0.0, "no order was settled in {during:?}");
    Ok(rate.a_second)
}

/// How the load goes while nothing is broken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    rate: Rate,
    /// The most orders that waited and could be settled at once.
    open: f64,
}

impl Usual {
    /// Looks for a while. No more than `most` is taken for usual: it was more a moment ago.
    pub(super) async fn learn(scene: &Scene<'_>, most: f64) -> Result<Self> {
        let since = Instant::now();
        let first = Look::of(scene, since).await?;
        let (mut last, mut open) = (first, first.open);
        while since.elapsed() < WARM_UP {
            sleep(LOOK).await;
            last = Look::of(scene, since).await?;
            open = open.max(last.open);
        }
        let rate = Rate::between(&first, &last);
        ensure!(rate.a_second > 0.0, "no order was settled in {WARM_UP:?}");
        Ok(Self { rate: Rate { a_second: rate.a_second.min(most), ..rate }, open })
    }

    /// Waits until the rate is back after the last fault, which ended then, and answers what is wrong when it
    /// is not.
    pub(super) async fn comes_back(&self, watch: &Watch, ended: Instant) -> Option<String> {
        let mut looks = watch.since(ended);
        while !self.is_back(&looks) && ended.elapsed() < RATE_BACK + WINDOW + LOOK {
            sleep(LOOK).await;
            looks = watch.since(ended);
        }
        if self.is_back(&looks) {
            return None;
        }
        let usual = self.rate.a_second;
        let best = self.windows(&looks).map(|rate| rate.a_second).fold(0.0, f64::max);
        let open = looks.last().map_or(f64::NAN, |look| look.open);
        Some(format!(
            "RATE: {usual:.1} orders were settled a second; of any {WINDOW:?} that began within {RATE_BACK:?} of the \
             last fault, with nothing piled up, the best had {best:.1}, and {open} wait"
        ))
    }

    /// Whether the rate was there in one of the windows.
    fn is_back(&self, looks: &[Look]) -> bool {
        self.windows(looks).any(|now| {
            let spread = now.variance() + ENOUGH.powi(2) * self.rate.variance();
            now.a_second + NOISE * spread.sqrt() >= ENOUGH * self.rate.a_second
        })
    }

    /// The rates since each moment of the half minute at which no more waited than usual and what comes in a
    /// quarter of a second, over one window at least.
    fn windows(&self, looks: &[Look]) -> impl Iterator<Item = Rate> {
        let calm = self.open + self.rate.a_second / 4.0;
        let begins = move |look: &&Look| look.at <= RATE_BACK.as_secs_f64() && look.open <= calm;
        let ends = move |from: &Look| {
            let end = from.at + WINDOW.as_secs_f64();
            looks.iter().find(|look| look.at >= end).map(|to| Rate::between(from, to))
        };
        looks.iter().filter(begins).filter_map(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Usual = Usual { rate: Rate { a_second: 40.0, seconds: 12.0 }, open: 8.0 };

    /// A look each second, with what was settled since the one before and what waits.
    fn looks(seconds: &[(f64, f64)]) -> Vec<Look> {
        let mut settled = 0.0;
        let look = |(at, (more, open)): (u32, &(f64, f64))| {
            settled += more;
            Look { at: f64::from(at), settled, open: *open }
        };
        (0..).zip(seconds).map(look).collect()
    }

    #[test]
    fn a_window_of_the_usual_rate_is_enough() {
        assert!(USUAL.is_back(&looks(&[(40.0, 3.0); 7])));
        assert!(USUAL.is_back(&looks(&[[(10.0, 3.0); 9], [(38.0, 3.0); 9]].concat())));
        assert!(!USUAL.is_back(&looks(&[(40.0, 3.0); 6])));
        assert!(!USUAL.is_back(&looks(&[(20.0, 3.0); 37])));
        assert!(!USUAL.is_back(&[]));
    }

    #[test]
    fn what_had_piled_up_does_not_count() {
        let pile = [(0.0, 900.0), (300.0, 600.0), (300.0, 300.0), (300.0, 0.0)];
        assert!(!USUAL.is_back(&looks(&[&pile[..], &[(10.0, 3.0); 30]].concat())));
        assert!(USUAL.is_back(&looks(&[&pile[..], &[(40.0, 3.0); 7]].concat())));
        // Again and again it piles up until somebody looks for it.
        let burst = [&[(0.0, 200.0); 9][..], &[(400.0, 9.0)]].concat();
        assert!(!USUAL.is_back(&looks(&burst.repeat(3))));
    }

    #[test]
    fn what_comes_after_half_a_minute_is_too_late() {
        let late = [&[(10.0, 3.0); 34][..], &[(40.0, 3.0); 31]].concat();
        assert!(!USUAL.is_back(&looks(&late)));
        assert!(USUAL.is_back(&looks(&late[10..])));
    }
}

//! How fast the buyers begin their orders, all of them together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Nobody waits until a rate is set or the doors are closed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    beat: Mutex<Option<Beat>>,
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Beat {
    every: Duration,
    next: Instant,
}

impl Pace {
    /// So many turns a second at most, which is more than 0.
    pub(super) fn set(&self, per_second: f64) {
        let every = Duration::from_secs_f64(1.0 / per_second);
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Beat { every, next: Instant::now() });
    }

    /// Closes the doors, or opens them again.
    pub(super) fn close(&self, closed: bool) {
        self.closed.send_replace(closed);
    }

    /// Waits until the doors are open.
    pub(super) async fn open(&self) {
        // The sender is ours, so that the wait ends with the doors open.
        let _ = self.closed.subscribe().wait_for(|closed| !closed).await;
    }

    /// Waits for the next turn. Turns that nobody took while everything stood still are not made up for.
    pub(super) async fn turn(&self) {
        self.open().await;
        let turn = self.take(Instant::now());
        if let Some(turn) = turn {
            sleep_until(turn).await;
        }
    }

    fn take(&self, now: Instant) -> Option<Instant> {
        let mut pace = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        let beat = pace.as_mut()?;
        let turn = beat.next.max(now);
        beat.next = turn + beat.every;
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_at_their_rate_and_missed_ones_do_not_pile_up() {
        let pace = Pace::default();
        assert_eq!(pace.take(Instant::now()), None);
        pace.set(10.0);
        let step = Duration::from_millis(100);
        for late in [Duration::ZERO, Duration::from_secs(5)] {
            let now = Instant::now() + late;
            let turns: Vec<_> = (0..3).map(|_| pace.take(now)).collect();
            assert_eq!(turns, [0, 1, 2].map(|turn| Some(now + turn * step)));
        }
    }
}

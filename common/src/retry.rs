//! How long to wait before trying again. Only the interval arithmetic of `backoff` is used: the loops
//! are ours, so that they can stop, count and log.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Growing waits with jitter, without end: the caller decides when to give up.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// Waits of about `first`, doubling up to `cap`, each up to a half longer or shorter.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            multiplier: 2.0,
            randomization_factor: 0.5,
            max_interval: cap,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// For rebuilding a connection: from 50 ms, capped at 2 s, so that recovery is prompt.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(2))
    }

    /// How long to wait before the next try.
    pub fn next_wait(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }

    /// Starts again from the first wait; call it after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_again_after_a_success() {
        let mut waits = Backoff::reconnect();
        let (half, cap) = (Duration::from_millis(25), Duration::from_secs(3));
        let first = waits.next_wait();
        assert!(first >= half && first <= Duration::from_millis(75), "{first:?}");
        let later: Vec<_> = (0..50).map(|_| waits.next_wait()).collect();
        assert!(later.iter().all(|wait| *wait <= cap), "{later:?}");
        assert!(later[49] >= Duration::from_secs(1), "{later:?}");
        waits.reset();
        assert!(waits.next_wait() <= Duration::from_millis(75));
    }
}

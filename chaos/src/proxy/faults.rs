//! The faults that are in force, as connections read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Direction;

/// All of them; the default is a whole link.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// No connection lives.
    pub(super) cut: bool,
    /// How often the connections there were have been reset.
    pub(super) resets: u64,
    pub(super) delay: Duration,
    pub(super) silent: Option<Direction>,
    pub(super) truncate: Option<Truncate>,
    pub(super) lose: Option<Arc<Lose>>,
    /// How many truncations have been ordered, so that connections tell a new one from one they know.
    pub(super) orders: u64,
}

impl Faults {
    pub(super) fn silences(&self, direction: Direction) -> bool {
        self.silent.is_some_and(|silent| silent.includes(direction))
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Truncate {
    pub(super) direction: Direction,
    pub(super) after: u64,
    pub(super) order: u64,
}

/// Which half of an exchange is lost, and how many more times.
#[derive(Debug)]
pub(super) struct Lose {
    pub(super) pattern: Vec<u8>,
    pub(super) request: bool,
    left: AtomicU64,
}

impl Lose {
    pub(super) fn answer(pattern: &[u8], times: u64) -> Self {
        Self { pattern: pattern.to_vec(), request: false, left: AtomicU64::new(times) }
    }

    pub(super) fn request(pattern: &[u8], times: u64) -> Self {
        Self { request: true, ..Self::answer(pattern, times) }
    }

    /// Takes one of the times that are left.
    pub(super) fn take(&self) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}

impl Direction {
    pub(super) fn includes(self, one: Self) -> bool {
        self == one || self == Self::Both
    }

    pub(super) fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
            Self::Both => Self::Both,
        }
    }
}

//! The client's log: every call with its outcome, and what the buyers claim because of the answers that
//! they got. It is one of three sources; the others are the database and the gateway's ledger.

mod clicks;
mod log;
mod looks;
mod purchase;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use self::clicks::{DoubleClick, Moment};
use self::log::Log;
pub use self::log::{Call, Ending};
pub use self::looks::{Death, Seen};
pub use self::purchase::Purchase;

/// All that the clients of a stage have done and seen.
#[derive(Debug)]
pub struct Testimony {
    log: Log,
    told: Mutex<Told>,
}

/// The claims so far.
#[derive(Debug, Default)]
pub struct Told {
    /// Every checkout that was tried.
    pub purchases: Vec<Purchase>,
    /// Of these, those whose order is known.
    pub accepted: usize,
    /// Every order that was looked at, and each thing that was seen of it, in that order.
    pub seen: HashMap<String, Vec<Seen>>,
    /// What was seen of orders and later was not so any more, when a database may have taken it back.
    pub taken_back: Vec<(String, Seen)>,
    /// Every double click; those of one buyer in their order.
    pub clicks: Vec<DoubleClick>,
    /// Orders whose cancellation was taken.
    pub wishes: BTreeSet<String>,
    /// Orders that an administrator moved, and where to.
    pub moves: BTreeSet<(String, &'static str)>,
    /// When a database died, in that order.
    pub deaths: Vec<Death>,
    /// What a client saw that must never be seen.
    pub violations: Vec<String>,
}

impl Testimony {
    /// An empty one, whose log is this file.
    pub fn begin(log: &Path) -> Result<Self> {
        Ok(Self { log: Log::begin(log)?, told: Mutex::default() })
    }

    /// Logs a call that began at `at`.
    pub fn log(&self, at: Instant, call: Call<'_>) {
        self.log.write(at, call);
    }

    /// Somebody asked to cancel; below 400 the wish was taken.
    pub fn wished(&self, order: &str, status: u16) {
        if status < 400 {
            self.told().wishes.insert(order.to_owned());
        }
    }

    /// An administrator moved the order.
    pub fn moved(&self, order: &str, to: &'static str) {
        self.told().moves.insert((order.to_owned(), to));
    }

    /// Something was seen that must never be seen.
    pub fn violation(&self, words: String) {
        self.told().violations.push(words);
    }

    /// The claims so far.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out what is logged so far; fails when a call is missing.
    pub fn flush(&self) -> Result<()> {
        self.log.flush().context("the clients' log cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty one, and the folder of its log.
    pub(super) fn testimony() -> (tempfile::TempDir, Testimony) {
        let folder = tempfile::tempdir().unwrap();
        let testimony = Testimony::begin(&folder.path().join("client.jsonl")).unwrap();
        (folder, testimony)
    }
}

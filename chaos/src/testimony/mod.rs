//! The client's log: every call with its outcome, and what the buyers claim because of the answers that
//! they got. It is one of three sources; the others are the database and the gateway's ledger.

mod log;

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use self::log::Log;
pub use self::log::{Call, Ending};

/// What a buyer knows of one checkout.
#[derive(Debug, Clone, Default)]
pub struct Purchase {
    /// The buyer's e-mail.
    pub buyer: String,
    /// The key; the buyers without one only know what they were answered.
    pub key: Option<String>,
    /// The order, once a 202 named it.
    pub order: Option<String>,
    /// Of the whole first 202.
    fingerprint: u64,
    /// The last word was a refusal, and no call before it ended unknown: nothing was ordered.
    pub is_refused: bool,
}

impl Purchase {
    /// Nothing is known of it yet.
    pub fn new(buyer: &str, key: Option<String>) -> Self {
        Self { buyer: buyer.to_owned(), key, ..Self::default() }
    }
}

/// A look at an order.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// The status.
    pub status: String,
    /// When it was first seen so.
    pub at: Instant,
}

/// Between a commit's being seen and its being flushed; generous, because one disk does everything.
const FLUSHING: Duration = Duration::from_secs(2);
/// Between an answer and its being noted.
const NOTING: Duration = Duration::from_millis(200);

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
    /// The orders of double clicks that were answered with two.
    pub pairs: Vec<[String; 2]>,
    /// Orders whose cancellation was taken.
    pub wishes: BTreeSet<String>,
    /// Orders that an administrator moved, and where to.
    pub moves: BTreeSet<(String, &'static str)>,
    /// When a database died.
    pub deaths: Vec<Instant>,
    /// What a client saw that must never be seen.
    pub violations: Vec<String>,
}

impl Told {
    /// Whether what was seen may have been a commit that was not flushed yet, and that a dying database has
    /// taken back: `InnoDB` shows commits before it flushes them, unless the binary log is on.
    pub fn may_be_taken_back(&self, seen: &Seen) -> bool {
        let taken_back = |death: &Instant| seen.at < *death + NOTING && *death < seen.at + FLUSHING;
        self.deaths.iter().any(taken_back)
    }
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

    /// Notes a checkout; the place is for [`Testimony::answered`].
    pub fn purchase(&self, purchase: Purchase) -> usize {
        let mut told = self.told();
        told.purchases.push(purchase);
        told.purchases.len() - 1
    }

    /// A 202 named this order for a checkout. A second answer has to be the same to the letter.
    pub fn answered(&self, place: usize, order: &str, body: &Value) {
        let mut hasher = DefaultHasher::new();
        body.to_string().hash(&mut hasher);
        let fingerprint = hasher.finish();
        let mut told = self.told();
        let told = &mut *told;
        let purchase = &mut told.purchases[place];
        match &purchase.order {
            None => {
                purchase.order = Some(order.to_owned());
                purchase.fingerprint = fingerprint;
                told.accepted += 1;
            }
            Some(first) if first == order && purchase.fingerprint == fingerprint => {}
            Some(first) => {
                let words = format!(
                    "key {:?} of {} was answered {first} and then {order}: {body}",
                    purchase.key, purchase.buyer
                );
                told.violations.push(words);
            }
        }
    }

    /// A checkout was refused; with `is_sure` nobody can have accepted it. After a 202 that must not be.
    pub fn refused(&self, place: usize, status: u16, is_sure: bool) {
        let mut told = self.told();
        let told = &mut *told;
        let purchase = &mut told.purchases[place];
        purchase.is_refused = is_sure;
        if let Some(order) = &purchase.order {
            let (key, buyer) = (&purchase.key, &purchase.buyer);
            let words = format!("key {key:?} of {buyer} was accepted as {order}, then {status}");
            told.violations.push(words);
        }
    }

    /// A double click without a key was answered with two orders.
    pub fn two_orders(&self, pair: [String; 2]) {
        self.told().pairs.push(pair);
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

    /// A database that shows what it has not flushed has just died.
    pub fn database_died(&self) {
        self.told().deaths.push(Instant::now());
    }

    /// An order was seen like this; it must not have been seen further along before, unless a database that
    /// died has taken that back.
    pub fn saw(&self, order: &str, version: u64, status: &str) {
        let now = Seen { version, status: status.to_owned(), at: Instant::now() };
        let mut told = self.told();
        let mut looks = told.seen.remove(order).unwrap_or_default();
        let differs = |last: &Seen| last.version != version || last.status != status;
        while looks.last().is_some_and(|last| {
            differs(last) && version <= last.version && told.may_be_taken_back(last)
        }) {
            looks.pop();
        }
        if looks.last().is_none_or(differs) {
            if let Some(before) = looks.last().filter(|before| version <= before.version) {
                let (was, then) = (&before.status, before.version);
                let words = format!(
                    "{order} was seen {was} in version {then}, then {status} in version {version}"
                );
                told.violations.push(words);
            }
            looks.push(now);
        }
        told.seen.insert(order.to_owned(), looks);
    }

    /// Something was seen that must never be seen.
    pub fn violation(&self, words: String) {
        self.told().violations.push(words);
    }

    /// The claims so far.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out what is logged so far.
    pub fn flush(&self) {
        self.log.flush();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn testimony() -> (tempfile::TempDir, Testimony) {
        let folder = tempfile::tempdir().unwrap();
        let testimony = Testimony::begin(&folder.path().join("client.jsonl")).unwrap();
        (folder, testimony)
    }

    #[test]
    fn an_order_that_goes_back_is_a_violation() {
        let (_folder, testimony) = testimony();
        for (version, status) in [(1, "accepted"), (2, "reserved"), (2, "reserved"), (3, "paid")] {
            testimony.saw("ord_1", version, status);
        }
        assert!(testimony.told().violations.is_empty());
        testimony.saw("ord_1", 2, "reserved");
        testimony.saw("ord_1", 2, "paid");
        assert_eq!(testimony.told().violations.len(), 2);
    }

    #[test]
    fn only_a_database_that_dies_takes_back_what_was_seen() {
        let (_folder, testimony) = testimony();
        for (version, status) in [(1, "accepted"), (2, "reserved"), (1, "accepted")] {
            testimony.saw("ord_1", version, status);
        }
        assert_eq!(testimony.told().violations.len(), 1);
        testimony.saw("ord_2", 1, "accepted");
        testimony.saw("ord_2", 2, "reserved");
        testimony.database_died();
        for (version, status) in [(1, "accepted"), (2, "cancelled"), (2, "cancelled")] {
            testimony.saw("ord_2", version, status);
        }
        assert_eq!(testimony.told().violations.len(), 1);
        let long_ago = Instant::now().checked_sub(FLUSHING * 2).unwrap();
        let seen = Seen { version: 2, status: "reserved".to_owned(), at: long_ago };
        assert!(!testimony.told().may_be_taken_back(&seen));
    }

    #[test]
    fn a_key_that_is_answered_twice_has_one_order() {
        let (_folder, testimony) = testimony();
        let place = testimony.purchase(Purchase::default());
        testimony.answered(place, "ord_1", &json!({"total": 1}));
        testimony.answered(place, "ord_1", &json!({"total": 1}));
        assert!(testimony.told().violations.is_empty());
        testimony.answered(place, "ord_2", &json!({"total": 1}));
        testimony.answered(place, "ord_1", &json!({"total": 2}));
        testimony.refused(place, 409, true);
        assert_eq!(testimony.told().violations.len(), 3);
    }
}

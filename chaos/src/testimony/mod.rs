//! The client's log: every call with its outcome, and what the buyers claim because of the answers that
//! they got. It is one of three sources; the others are the database and the gateway's ledger.

mod log;

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// The status.
    pub status: String,
}

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

    /// An order was seen like this; it must not have been seen further along before.
    pub fn saw(&self, order: &str, version: u64, status: &str) {
        let now = Seen { version, status: status.to_owned() };
        let mut told = self.told();
        let seen = told.seen.entry(order.to_owned()).or_default();
        let Some(before) = seen.last().filter(|before| **before != now) else {
            if seen.is_empty() {
                seen.push(now);
            }
            return;
        };
        let words = (version <= before.version).then(|| {
            format!(
                "{order} was seen {} in version {}, then {status} in version {version}",
                before.status, before.version
            )
        });
        seen.push(now);
        told.violations.extend(words);
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

//! The client's log: every call with its outcome, and what the buyers claim because of the answers that
//! they got. It is one of three sources; the others are the database and the gateway's ledger.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

/// How a call ended, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was done.
    Ok,
    /// It was not done, and the answer says why.
    Refused,
    /// Nobody can say.
    Unknown,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Call<'a> {
    /// Who called.
    pub who: &'a str,
    /// What for.
    pub what: &'a str,
    /// Which key, order or product.
    pub subject: &'a str,
    /// How it ended.
    pub ending: Ending,
    /// The status code, or what broke.
    pub answer: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    /// From the start of the log.
    at_ms: u128,
    took_ms: u128,
    #[serde(flatten)]
    call: Call<'a>,
}

/// What a buyer knows of one checkout.
#[derive(Debug, Clone, Default)]
pub struct Purchase {
    /// The buyer's e-mail.
    pub buyer: String,
    /// The key; the buyers without one only know what they were answered.
    pub key: Option<String>,
    /// The order, once a 202 named it.
    pub order: Option<String>,
}

/// What was seen of an order, one look after the other.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The last version.
    pub version: u64,
    /// The last status.
    pub status: String,
}

/// All that the clients of a stage have done and seen.
#[derive(Debug)]
pub struct Testimony {
    started: Instant,
    log: Mutex<BufWriter<File>>,
    told: Mutex<Told>,
}

/// The claims so far.
#[derive(Debug, Default)]
pub struct Told {
    /// Every checkout that was tried.
    pub purchases: Vec<Purchase>,
    /// Of these, those whose order is known.
    pub accepted: usize,
    /// Every order that was looked at.
    pub seen: BTreeMap<String, Seen>,
    /// What a client saw that must never be seen.
    pub violations: Vec<String>,
    /// Calls by ending.
    pub endings: BTreeMap<&'static str, u64>,
}

impl Testimony {
    /// An empty one, whose log is this file.
    pub fn begin(log: &Path) -> Result<Self> {
        let log = Mutex::new(BufWriter::new(File::create(log)?));
        Ok(Self { started: Instant::now(), log, told: Mutex::default() })
    }

    /// Logs a call that began at `at`.
    pub fn log(&self, at: Instant, call: Call<'_>) {
        let at_ms = at.duration_since(self.started).as_millis();
        let line = Line { at_ms, took_ms: at.elapsed().as_millis(), call };
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk shows when the log is kept as evidence; it must not stop the clients.
        let _ = serde_json::to_writer(&mut *log, &line).map(|()| log.write_all(b"\n"));
        let ending = match call.ending {
            Ending::Ok => "ok",
            Ending::Refused => "refused",
            Ending::Unknown => "unknown",
        };
        *self.told().endings.entry(ending).or_default() += 1;
    }

    /// Notes a checkout; the place is for [`Testimony::answered`].
    pub fn purchase(&self, purchase: Purchase) -> usize {
        let mut told = self.told();
        told.purchases.push(purchase);
        told.purchases.len() - 1
    }

    /// A 202 named this order for a checkout. A second answer has to name the same.
    pub fn answered(&self, place: usize, order: &str) {
        let mut told = self.told();
        let told = &mut *told;
        let purchase = &mut told.purchases[place];
        match &purchase.order {
            None => {
                purchase.order = Some(order.to_owned());
                told.accepted += 1;
            }
            Some(first) if first == order => {}
            Some(first) => {
                let words = format!(
                    "key {:?} of {} was answered {first} and then {order}",
                    purchase.key, purchase.buyer
                );
                told.violations.push(words);
            }
        }
    }

    /// An order was seen like this; it must not have been seen further along before.
    pub fn saw(&self, order: &str, version: u64, status: &str) {
        let mut told = self.told();
        let before = told.seen.entry(order.to_owned()).or_default();
        let goes_back = version < before.version;
        let differs = version == before.version && before.status != status;
        let words = (goes_back || differs).then(|| {
            format!(
                "{order} was seen {} in version {}, then {status} in version {version}",
                before.status, before.version
            )
        });
        *before = Seen { version, status: status.to_owned() };
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
        let _ = self.log.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

#[cfg(test)]
mod tests {
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
        testimony.answered(place, "ord_1");
        testimony.answered(place, "ord_1");
        assert!(testimony.told().violations.is_empty());
        testimony.answered(place, "ord_2");
        assert_eq!(testimony.told().violations.len(), 1);
    }
}

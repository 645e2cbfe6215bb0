//! What was seen of orders, and what a database that died may have taken back of it.

use std::time::{Duration, Instant};

use super::{Moment, Testimony, Told};

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

/// The death of a database that shows commits before it flushes them.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    /// It was not dead yet.
    pub began: Moment,
    /// It was dead; `None` while that is under way.
    pub ended: Option<Instant>,
}

/// Between a commit's being seen and its being flushed; generous, because one disk does everything.
const FLUSHING: Duration = Duration::from_secs(2);
/// Between an answer and its being noted.
const NOTING: Duration = Duration::from_millis(200);

impl Death {
    fn may_take_back(&self, seen: &Seen) -> bool {
        let is_too_late = self.ended.is_some_and(|ended| seen.at >= ended + NOTING);
        !is_too_late && self.began.at < seen.at + FLUSHING
    }
}

impl Told {
    /// The first death in which what was seen may have been a commit that was not flushed yet, and that the
    /// dying database has taken back: `InnoDB` shows commits before it flushes them, unless the binary log is on.
    pub fn death_of(&self, seen: &Seen) -> Option<&Death> {
        self.deaths.iter().find(|death| death.may_take_back(seen))
    }

    /// Whether a dying database may have taken back what was seen.
    pub fn may_be_taken_back(&self, seen: &Seen) -> bool {
        self.death_of(seen).is_some()
    }
}

impl Testimony {
    /// A database that shows what it has not flushed is about to die; the place is for
    /// [`Testimony::database_died`].
    pub fn database_dies(&self) -> usize {
        let mut told = self.told();
        told.deaths.push(Death { began: Moment::now(), ended: None });
        told.deaths.len() - 1
    }

    /// By now it is dead.
    pub fn database_died(&self, place: usize) {
        self.told().deaths[place].ended = Some(Instant::now());
    }

    /// An order was seen like this; it must not have been seen further along before, unless a database that
    /// died may have taken that back. What was taken back is kept, and judged in the end.
    pub fn saw(&self, order: &str, version: u64, status: &str) {
        let now = Seen { version, status: status.to_owned(), at: Instant::now() };
        let mut told = self.told();
        let mut looks = told.seen.remove(order).unwrap_or_default();
        let differs = |last: &Seen| last.version != version || last.status != status;
        let is_back = |last: &Seen| differs(last) && version <= last.version;
        while let Some(last) = looks.pop_if(|last| is_back(last) && told.may_be_taken_back(last)) {
            told.taken_back.push((order.to_owned(), last));
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
}

#[cfg(test)]
mod tests {
    use super::super::tests::testimony;
    use super::*;

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
        let death = testimony.database_dies();
        testimony.database_died(death);
        for (version, status) in [(1, "accepted"), (2, "cancelled"), (2, "cancelled")] {
            testimony.saw("ord_2", version, status);
        }
        let told = testimony.told();
        assert_eq!(told.violations.len(), 1);
        let [(order, seen)] = told.taken_back.as_slice() else { panic!("one step went back") };
        assert_eq!((order.as_str(), seen.version, seen.status.as_str()), ("ord_2", 2, "reserved"));
    }

    #[test]
    fn a_death_takes_back_what_was_seen_shortly_before_it_and_while_it_was_under_way() {
        let now = Instant::now();
        let began = Moment { at: now + Duration::from_secs(10), ms: 0 };
        let seen = |seconds| {
            let at = now + Duration::from_secs(seconds);
            Seen { version: 2, status: "reserved".to_owned(), at }
        };
        let may_take_back =
            |death: Death| [7, 9, 14, 16].map(|seconds| death.may_take_back(&seen(seconds)));
        let slow = Death { began, ended: Some(now + Duration::from_secs(15)) };
        assert_eq!(may_take_back(slow), [false, true, true, false]);
        let under_way = Death { began, ended: None };
        assert_eq!(may_take_back(under_way), [false, true, true, true]);
    }
}

//! What was broken, and when: for so long an order may have to wait, and no longer.

use std::time::Duration;

use ordermill_common::clock;
use sqlx::types::chrono::{DateTime, Utc};

use super::REST;

/// A time, as how long after 1970 it was.
pub(super) type Moment = Duration;

/// The times at which something was broken, in their order. Noted a little early and a little late, by
/// whoever breaks and heals it.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Vec<Trouble>);

#[derive(Debug, Clone, Copy)]
struct Trouble {
    began: Moment,
    /// None while it lasts.
    ended: Option<Moment>,
}

impl Troubles {
    /// Something is broken from now on.
    pub fn begin(&mut self) {
        self.0.push(Trouble { began: now(), ended: None });
    }

    /// Nothing is broken any more.
    pub fn end(&mut self) {
        let now = now();
        for trouble in &mut self.0 {
            trouble.ended.get_or_insert(now);
        }
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The end of the trouble of something that waited from `from` to `to`: of the last in a row of troubles,
    /// each of which began while it waited and before a minute without one had passed. `from` when it had none.
    ///
    /// What comes after such a minute is no excuse: it ought to have ended by then.
    pub(super) fn last_of(&self, from: Moment, to: Moment) -> Moment {
        let mut calm = from;
        for trouble in &self.0 {
            if trouble.began > to.min(calm + REST) {
                break;
            }
            calm = calm.max(trouble.ended.unwrap_or(to));
        }
        calm
    }
}

fn now() -> Moment {
    moment(clock::now())
}

/// The same time; the beginning of 1970 for one before that.
pub(super) fn moment(at: DateTime<Utc>) -> Moment {
    Duration::from_micros(u64::try_from(at.timestamp_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn troubles(times: &[(u64, Option<u64>)]) -> Troubles {
        let noted =
            times.iter().map(|(began, ended)| Trouble { began: at(*began), ended: ended.map(at) });
        Troubles(noted.collect())
    }

    #[test]
    fn only_what_was_broken_while_something_waited_is_its_trouble() {
        let troubles = troubles(&[(100, Some(110)), (200, Some(350)), (400, None)]);
        assert_eq!(troubles.last_of(at(120), at(130)), at(120));
        assert_eq!(troubles.last_of(at(105), at(130)), at(110));
        assert_eq!(troubles.last_of(at(190), at(360)), at(350));
        assert_eq!(troubles.last_of(at(300), at(310)), at(350));
        assert_eq!(troubles.last_of(at(390), at(500)), at(500));
    }

    #[test]
    fn a_row_of_troubles_is_one_until_there_was_a_minute_without() {
        let troubles = troubles(&[(10, Some(11)), (60, Some(61)), (122, Some(123))]);
        assert_eq!(troubles.last_of(at(0), at(200)), at(61));
        assert_eq!(troubles.last_of(at(62), at(200)), at(123));
        assert_eq!(troubles.last_of(at(0), at(30)), at(11));
    }

    #[test]
    fn what_is_healed_stays_in_the_past() {
        let mut noted = Troubles::default();
        assert!(noted.is_empty());
        noted.begin();
        let begun = now();
        assert_eq!(noted.last_of(begun, begun + at(9)), begun + at(9));
        noted.end();
        let healed = noted.last_of(begun, begun + at(9));
        assert!(!noted.is_empty() && healed < begun + at(9));
        noted.end();
        assert_eq!(noted.last_of(begun, begun + at(9)), healed);
    }
}

//! What became of each order, step by step, against what was seen of it and what was asked for.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use ordermill_common::db::Db;

use super::store::{self, Step};
use crate::crowd::Crowd;
use crate::testimony::{Seen, Told};

/// The moves, written down a second time: a mistake in the product's own table shows.
const MOVES: [(&str, &[&str]); 5] = [
    ("accepted", &["reserved", "rejected", "cancelled"]),
    ("reserved", &["paid", "payment_failed", "cancelled"]),
    ("paid", &["packed", "cancelled"]),
    ("packed", &["shipped", "cancelled"]),
    ("shipped", &["delivered"]),
];

/// Every history follows the moves, holds whatever was seen, every move that an administrator was told is
/// done, and every wish that was taken.
pub(super) async fn check(db: &Db, crowd: &Crowd, violations: &mut Vec<String>) -> Result<()> {
    let histories = store::histories(db).await?;
    let wished = store::wished(db).await?;
    compare(&histories, &wished, &crowd.testimony.told(), violations);
    Ok(())
}

fn compare(
    histories: &HashMap<String, Vec<Step>>,
    wished: &BTreeSet<String>,
    told: &Told,
    violations: &mut Vec<String>,
) {
    let of = |order: &String| histories.get(order).map_or(&[][..], Vec::as_slice);
    for (order, steps) in histories {
        violations.extend(broken(steps).map(|words| format!("HISTORY of {order}: {words}")));
    }
    for (order, looks) in &told.seen {
        let is_true = |seen: &Seen| {
            // An order that no worker has decided yet has no history.
            (seen.version == 1 && seen.status == "accepted")
                || of(order).iter().any(|step| {
                    u64::try_from(step.version) == Ok(seen.version) && step.status == seen.status
                })
        };
        if let Some(seen) =
            looks.iter().find(|seen| !is_true(seen) && !told.may_be_taken_back(seen))
        {
            let Seen { version, status, .. } = seen;
            violations.push(format!("{order} was seen {status} in version {version}, and was not"));
        }
    }
    for (order, to) in &told.moves {
        if !of(order).iter().any(|step| step.status == *to) {
            violations.push(format!("{order} was said to be {to}, and never was"));
        }
    }
    for order in &told.wishes {
        let is_cancelled = of(order).last().is_some_and(|step| step.status == "cancelled");
        if !is_cancelled && !wished.contains(order) {
            violations.push(format!("the wish to cancel {order} was taken, and is lost"));
        }
    }
}

/// What is wrong with a history, if anything is.
fn broken(steps: &[Step]) -> Option<String> {
    let first = steps.first()?;
    if (first.version, first.status.as_str()) != (1, "accepted") {
        return Some(format!("it begins {} in version {}", first.status, first.version));
    }
    steps.windows(2).find_map(|pair| {
        let [from, to] = pair else { return None };
        let follows = from.status == to.status
            || MOVES
                .iter()
                .any(|(status, next)| *status == from.status && next.contains(&to.status.as_str()));
        let words =
            || format!("{} in {}, then {} in {}", from.status, from.version, to.status, to.version);
        (!follows || to.version != from.version + 1).then(words)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn found(steps: &[&str], tell: impl Fn(&mut Told)) -> usize {
        let steps =
            (1..).zip(steps).map(|(version, &status)| Step { version, status: status.to_owned() });
        let histories = HashMap::from([("ord_1".to_owned(), steps.collect())]);
        let mut told = Told::default();
        tell(&mut told);
        let mut violations = Vec::new();
        compare(&histories, &BTreeSet::from(["ord_2".to_owned()]), &told, &mut violations);
        violations.len()
    }

    #[test]
    fn histories_follow_the_moves() {
        assert_eq!(found(&["accepted", "reserved", "reserved", "paid", "packed"], |_| {}), 0);
        assert_eq!(found(&["accepted", "rejected"], |_| {}), 0);
        assert_eq!(found(&["accepted", "paid"], |_| {}), 1);
        assert_eq!(found(&["reserved", "paid"], |_| {}), 1);
        assert_eq!(found(&["accepted", "rejected", "cancelled"], |_| {}), 1);
    }

    #[test]
    fn what_was_seen_moved_and_wished_is_there() {
        let bought = ["accepted", "reserved", "paid"];
        let saw = |version, status: &'static str| {
            move |told: &mut Told| {
                let seen = Seen { version, status: status.to_owned(), at: Instant::now() };
                told.seen.insert("ord_1".to_owned(), vec![seen]);
            }
        };
        assert_eq!(found(&bought, saw(2, "reserved")), 0);
        assert_eq!(found(&bought, saw(2, "paid")), 1);
        assert_eq!(found(&bought, saw(4, "packed")), 1);
        let moved = |to| {
            move |told: &mut Told| {
                told.moves.insert(("ord_1".to_owned(), to));
            }
        };
        assert_eq!(found(&bought, moved("packed")), 1);
        assert_eq!(found(&["accepted", "reserved", "paid", "packed"], moved("packed")), 0);
        let wish = |order: &'static str| {
            move |told: &mut Told| {
                told.wishes.insert(order.to_owned());
            }
        };
        assert_eq!(found(&bought, wish("ord_2")), 0);
        assert_eq!(found(&bought, wish("ord_1")), 1);
        assert_eq!(found(&["accepted", "cancelled"], wish("ord_1")), 0);
    }
}

//! Steps of orders that clients saw and then saw no more, when a database died.
//!
//! That database may have shown a commit and lost it: the step is gone, or it was made again when the
//! database was back. Whoever makes it again may do so under the time of the first attempt, so its entry in the
//! history says nothing; the times that the database itself has put beside it do. If they are from before the
//! death, the step never was lost, and somebody was shown the order as it had been.

use anyhow::Result;
use ordermill_common::db::Db;
use ordermill_common::id::OrderId;
use sqlx::types::chrono::{DateTime, Utc};

use crate::crowd::Crowd;
use crate::testimony::{Seen, Told};

/// By how much the database's clock may differ from ours.
const CLOCKS_MS: i64 = 200;

/// A step that may have been taken back.
#[derive(Debug)]
struct Doubt {
    order: String,
    seen: Seen,
    /// When the death began that may have taken it back, in milliseconds of Unix time.
    died: i64,
}

/// The step as it is there in the end, by the database's clock.
#[derive(Debug, Default, sqlx::FromRow)]
struct Written {
    reserved: Option<DateTime<Utc>>,
    paid: Option<DateTime<Utc>>,
    cancelled: Option<DateTime<Utc>>,
}

impl Written {
    /// Before this moment the step was not there; `None` when nothing tells.
    fn at(&self, seen: &Seen) -> Option<i64> {
        let at = match (seen.version, seen.status.as_str()) {
            (2, _) => self.reserved,
            (_, "paid" | "payment_failed") => self.paid,
            (_, "cancelled") => self.cancelled,
            _ => None,
        };
        at.map(|at| at.timestamp_millis())
    }
}

/// What was not seen any more after a database's death is gone, or was made again after it.
pub(in crate::check) async fn taken_back(
    db: &Db,
    crowd: &Crowd,
    violations: &mut Vec<String>,
) -> Result<()> {
    let doubts = doubts(&crowd.testimony.told());
    for doubt in doubts {
        if let Some(written) = written(db, &doubt).await?
            && was_there(&doubt, &written)
        {
            let (order, Seen { version, status, .. }) = (&doubt.order, &doubt.seen);
            violations.push(format!(
                "{order} was seen {status} in version {version}, then as before, and no database took that back"
            ));
        }
    }
    Ok(())
}

fn doubts(told: &Told) -> Vec<Doubt> {
    let doubt = |(order, seen): &(String, Seen)| {
        let died = told.death_of(seen)?.began.ms;
        Some(Doubt { order: order.clone(), seen: seen.clone(), died })
    };
    told.taken_back.iter().filter_map(doubt).collect()
}

/// Whether the step was there when the database died, and survived that.
fn was_there(doubt: &Doubt, written: &Written) -> bool {
    written.at(&doubt.seen).is_some_and(|at| at + CLOCKS_MS < doubt.died)
}

async fn written(db: &Db, doubt: &Doubt) -> Result<Option<Written>> {
    let order: OrderId = doubt.order.parse()?;
    Ok(sqlx::query_as(
        "select c.consumed_at as reserved, p.updated_at as paid, x.decided_at as cancelled \
         from order_history h \
         join checkouts c on c.order_id = h.order_id \
         left join payments p on p.order_id = h.order_id \
         left join cancellations x on x.order_id = h.order_id \
         where h.order_id = ? and h.version = ? and h.status = ?",
    )
    .bind(order)
    .bind(doubt.seen.version)
    .bind(&doubt.seen.status)
    .fetch_optional(db.pool())
    .await?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::testimony::{Death, Moment};

    fn seen(version: u64, status: &str, at: Instant) -> Seen {
        Seen { version, status: status.to_owned(), at }
    }

    fn at(ms: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(ms)
    }

    #[test]
    fn a_step_that_was_made_again_is_later_than_the_death() {
        let was_there = |version, status, written: &Written| {
            let seen = seen(version, status, Instant::now());
            was_there(&Doubt { order: String::new(), seen, died: 10_000 }, written)
        };
        let reserved = |ms| Written { reserved: at(ms), ..Written::default() };
        assert!(was_there(2, "reserved", &reserved(9_000)));
        assert!(!was_there(2, "reserved", &reserved(9_900)), "clocks differ");
        assert!(!was_there(2, "reserved", &reserved(12_000)));
        let paid = Written { paid: at(9_000), ..reserved(8_000) };
        assert!(was_there(3, "paid", &paid));
        assert!(!was_there(4, "packed", &paid), "nothing tells");
        assert!(!was_there(3, "cancelled", &Written { cancelled: at(11_000), ..paid }));
    }

    #[test]
    fn only_what_a_death_may_have_taken_back_is_in_doubt() {
        let now = Instant::now();
        let began = Moment { at: now, ms: 10_000 };
        let mut told = Told { deaths: vec![Death { began, ended: Some(now) }], ..Told::default() };
        told.taken_back.push(("ord_1".to_owned(), seen(2, "reserved", now)));
        let late = now + Duration::from_mins(1);
        told.taken_back.push(("ord_2".to_owned(), seen(2, "reserved", late)));
        let doubts = doubts(&told);
        let [doubt] = doubts.as_slice() else { panic!("one") };
        assert_eq!((doubt.order.as_str(), doubt.died), ("ord_1", 10_000));
    }
}

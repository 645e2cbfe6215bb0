//! When each promise was given and kept, as the database has it.
//!
//! What was accepted or asked for bears the time of its API. The end has the database's time, where a row
//! keeps it, and else that of the worker, whose clock a scenario may have put wrong.

use std::time::Duration;

use futures::{Stream, TryStreamExt as _};
use ordermill_common::db::Db;
use ordermill_common::id::OrderId;
use sqlx::types::chrono::{DateTime, Utc};

use super::late::Promise;
use super::trouble::moment;

/// The first status of each order that its buyer had waited for.
const ORDERS: &str = "\
select c.order_id, c.payment_method = 'tok_timeout' as is_silent, c.accepted_at, h.status, h.at,
  c.consumed_at, p.status as payment, p.updated_at as paid_at, x.decided_at
from (
  select order_id, min(version) as version
  from order_history
  where status in ('paid', 'rejected', 'payment_failed', 'cancelled')
  group by order_id
) e
straight_join order_history h on h.order_id = e.order_id and h.version = e.version
straight_join checkouts c on c.order_id = e.order_id
left join payments p on p.order_id = e.order_id
left join cancellations x on x.order_id = e.order_id";

const WISHES: &str = "\
select order_id, requested_at, decided_at
from cancellations
where decided_at is not null";

#[derive(Debug, Clone, sqlx::FromRow)]
struct Row {
    order_id: OrderId,
    is_silent: bool,
    accepted_at: DateTime<Utc>,
    status: String,
    at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
    payment: Option<String>,
    paid_at: Option<DateTime<Utc>>,
    decided_at: Option<DateTime<Utc>>,
}

impl Row {
    /// When it ended; `skew` earlier where only a worker's clock tells.
    fn promise(self, skew: Duration) -> Promise {
        let written = match (self.status.as_str(), self.payment.as_deref()) {
            ("rejected", _) => self.consumed_at,
            ("cancelled", _) => self.decided_at,
            // A payment that has a verdict is written again only to be voided.
            (_, Some("captured" | "declined")) => self.paid_at,
            _ => None,
        };
        let kept = match written {
            Some(at) => moment(at),
            None => moment(self.at).saturating_sub(skew),
        };
        let Self { order_id: order, is_silent, accepted_at, .. } = self;
        Promise { order, is_silent, given: moment(accepted_at), kept }
    }
}

/// From each order's acceptance to what its buyer waited for.
pub(super) fn of_orders(db: &Db, skew: Duration) -> impl Stream<Item = sqlx::Result<Promise>> {
    let orders = sqlx::query_as::<_, Row>(ORDERS).fetch(db.pool());
    orders.map_ok(move |order| order.promise(skew))
}

/// From each wish to cancel to its decision.
pub(super) fn of_wishes(db: &Db) -> impl Stream<Item = sqlx::Result<Promise>> {
    type Wish = (OrderId, DateTime<Utc>, DateTime<Utc>);
    let wishes = sqlx::query_as::<_, Wish>(WISHES).fetch(db.pool());
    wishes.map_ok(|(order, asked, decided)| Promise {
        order,
        is_silent: false,
        given: moment(asked),
        kept: moment(decided),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_hours(1);

    /// Seconds from its acceptance to its end; its worker's clock is an hour ahead.
    fn took(status: &str, payment: Option<&str>) -> u64 {
        let at = |seconds: i64| DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap();
        let order = Row {
            order_id: OrderId::mint(),
            is_silent: false,
            accepted_at: at(0),
            status: status.to_owned(),
            at: at(3_604),
            consumed_at: Some(at(1)),
            payment: payment.map(str::to_owned),
            paid_at: Some(at(2)),
            decided_at: Some(at(3)),
        };
        let promise = order.promise(SKEW);
        promise.kept.saturating_sub(promise.given).as_secs()
    }

    #[test]
    fn the_end_has_the_databases_time_where_it_kept_one() {
        assert_eq!(took("rejected", None), 1);
        assert_eq!(took("paid", Some("captured")), 2);
        assert_eq!(took("payment_failed", Some("declined")), 2);
        assert_eq!(took("cancelled", Some("voided")), 3);
    }

    #[test]
    fn a_payment_that_was_voided_later_keeps_the_workers_time_of_its_verdict() {
        assert_eq!(took("paid", Some("voided")), 4);
        assert_eq!(took("payment_failed", Some("void_due")), 4);
    }
}

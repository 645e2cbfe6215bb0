//! What an admin lists orders by.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::id::{OrderId, ProductId, UserId};
use crate::order::Status;

/// Which orders a list shows; those that were accepted last come first.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Filter {
    /// Only those that stand here.
    pub status: Option<Status>,
    /// Only this buyer's.
    pub user: Option<UserId>,
    /// Only those with this product that a worker has seen: until then an order's lines are one text.
    pub product: Option<ProductId>,
    /// Only those before this one, which need not exist: where the last page ended, or an age, because
    /// an order's id begins with the time at which it was accepted.
    #[serde(skip)]
    pub before: Option<OrderId>,
}

impl Filter {
    /// What [`Filter::before`] is for orders that were accepted more than `seconds` ago.
    pub fn accepted_before(now: DateTime<Utc>, seconds: u32) -> OrderId {
        let then = now - TimeDelta::seconds(i64::from(seconds));
        let millis = u128::try_from(then.timestamp_millis()).unwrap_or(0);
        OrderId::from_uuid(Uuid::from_u128(millis << 80))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_age_is_a_place_among_the_ids() {
        let order = OrderId::mint();
        assert!(Filter::accepted_before(clock::now(), 5) < order);
        assert!(Filter::accepted_before(clock::now() + TimeDelta::seconds(6), 5) > order);
    }
}

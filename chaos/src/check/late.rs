//! Whether what was promised was kept in time: an order ends, and a wish to cancel is decided, within a
//! minute of the end of its own trouble.

use std::time::Duration;

use anyhow::Result;
use futures::{Stream, TryStreamExt as _};
use ordermill_common::db::Db;
use ordermill_common::id::OrderId;

use super::trouble::Moment;
use super::{Expected, REST, ends};

/// What its calls take of an order whose gateway never answers, whatever else it waits for.
const CALLS: Duration = Duration::from_secs(30);
/// What a database on another clock, and a statement on its way, may take besides.
const SLACK: Duration = Duration::from_secs(2);

/// What a 202 promised, and when it was kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) order: OrderId,
    /// The gateway never answers, and each call of five seconds may meet a trouble.
    pub(super) is_silent: bool,
    pub(super) given: Moment,
    pub(super) kept: Moment,
}

impl Promise {
    fn took(&self) -> Duration {
        self.kept.saturating_sub(self.given)
    }

    /// How long it may take: a minute from its last trouble, and however many there were in a row, no longer
    /// than the longest that there can be and a minute. Only that counts for an order that was broken on
    /// purpose, which nobody heals, and where no trouble was noted. A silent one has its calls besides, is
    /// excused by however many there were in a row, and has no limit where no trouble was noted.
    fn allowed(&self, expected: &Expected) -> Duration {
        let longest = expected.longest_fault + REST;
        let troubles = &expected.troubles;
        if troubles.is_empty() && self.is_silent {
            return Duration::MAX;
        }
        if troubles.is_empty() || expected.broken.contains(&self.order.to_string()) {
            return longest;
        }
        let excused = troubles.last_of(self.given, self.kept).saturating_sub(self.given);
        let own = excused + REST + SLACK;
        if self.is_silent { own + CALLS } else { own.min(longest) }
    }
}

/// Looks at every order and at every wish.
pub(super) async fn check(
    db: &Db,
    expected: &Expected,
    violations: &mut Vec<String>,
) -> Result<()> {
    let orders = ends::of_orders(db, expected.skew);
    violations.extend(worst("orders", orders, expected).await?);
    let wishes = ends::of_wishes(db);
    violations.extend(worst("wishes to cancel", wishes, expected).await?);
    Ok(())
}

/// How many are late, and the one that is so by the most.
async fn worst(
    what: &str,
    promises: impl Stream<Item = sqlx::Result<Promise>>,
    expected: &Expected,
) -> Result<Option<String>> {
    let mut promises = std::pin::pin!(promises);
    let mut late = 0_u32;
    let mut worst: Option<(Duration, Promise)> = None;
    while let Some(promise) = promises.try_next().await? {
        // Nobody has less than a minute.
        if promise.took() <= REST {
            continue;
        }
        let over = promise.took().saturating_sub(promise.allowed(expected));
        // Parts of a second are left to the clocks.
        if over.as_secs() == 0 {
            continue;
        }
        late += 1;
        if worst.is_none_or(|(most, _)| over > most) {
            worst = Some((over, promise));
        }
    }
    Ok(worst.map(|(_, promise)| {
        let (order, took, allowed) = (promise.order, promise.took(), promise.allowed(expected));
        format!("LATE: {late} {what}; {order} took {took:.1?}, and may take {allowed:.1?}")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Troubles;

    fn promise(took: u64) -> Promise {
        let given = Duration::from_secs(1_000_000);
        let kept = given + Duration::from_secs(took);
        Promise { order: OrderId::mint(), is_silent: false, given, kept }
    }

    async fn late(promises: &[Promise], expected: &Expected) -> Option<String> {
        let promises = futures::stream::iter(promises.iter().copied().map(Ok));
        worst("orders", promises, expected).await.unwrap()
    }

    fn with_a_trouble_long_ago() -> Expected {
        let mut troubles = Troubles::default();
        // Long after everything here.
        troubles.begin();
        troubles.end();
        Expected { troubles, longest_fault: Duration::from_secs(150), ..Expected::default() }
    }

    #[tokio::test]
    async fn who_had_no_trouble_has_a_minute() {
        let expected = with_a_trouble_long_ago();
        assert_eq!(late(&[promise(1), promise(61)], &expected).await, None);
        let words = late(&[promise(66), promise(70), promise(1)], &expected).await.unwrap();
        assert!(words.contains("2 orders") && words.contains("took 70.0s"), "{words}");
    }

    #[tokio::test]
    async fn what_was_broken_on_purpose_has_the_longest_fault_and_a_minute() {
        let mut expected = with_a_trouble_long_ago();
        let broken = promise(200);
        assert!(late(&[broken], &expected).await.is_some());
        expected.broken.push(broken.order.to_string());
        assert_eq!(late(&[broken], &expected).await, None);
        expected.longest_fault = Duration::from_secs(100);
        assert!(late(&[broken], &expected).await.is_some());
    }

    #[tokio::test]
    async fn a_silent_gateway_costs_half_a_minute() {
        let silent = |took| Promise { is_silent: true, ..promise(took) };
        assert_eq!(late(&[silent(91)], &with_a_trouble_long_ago()).await, None);
        assert!(late(&[silent(94)], &with_a_trouble_long_ago()).await.is_some());
        // Each call may have met one.
        assert_eq!(late(&[silent(600)], &Expected::default()).await, None);
    }

    #[tokio::test]
    async fn where_nothing_was_noted_the_longest_fault_is_everybodys() {
        let expected = Expected { longest_fault: Duration::from_secs(10), ..Expected::default() };
        assert_eq!(late(&[promise(70)], &expected).await, None);
        assert!(late(&[promise(71)], &expected).await.is_some());
    }
}

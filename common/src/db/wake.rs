//! What the tables with a `wake_at` have in common: when the next wake-up comes, and how their rows are read.
//!
//! `wakes` counts wake-ups that nobody has answered: who handles a row sets its `wake_at`, and `wakes` to 0.

use std::time::Duration;

use serde::Serialize;
use sqlx::MySqlConnection;
use uuid::Uuid;

use super::{Error, Result, batch};
use crate::id::OrderId;
use crate::trace::RequestId;

const FIRST_SECONDS: u32 = 30;
const LONGEST_SECONDS: u32 = 600;

/// The next wake-up of a row, in a batch parameter.
#[derive(Debug, Serialize)]
pub struct Next {
    id: String,
    delay: u32,
}

impl Next {
    /// The wake-up after one that found this many before it. The id is the row's own.
    pub fn after(id: Uuid, wakes: i32) -> Self {
        Self { id: id.simple().to_string(), delay: delay_seconds(wakes) }
    }
}

/// 30 s, doubling to 10 minutes.
fn delay_seconds(wakes: i32) -> u32 {
    let doublings = u32::try_from(wakes).unwrap_or(0).min(10);
    (FIRST_SECONDS << doublings).min(LONGEST_SECONDS)
}

/// A delay as the `interval ? microsecond` of a statement.
pub fn micros(delay: Duration) -> i64 {
    i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)
}

/// A stored request id; no code of ours writes another text.
pub fn request_id(text: String) -> Result<RequestId> {
    RequestId::try_from(text).map_err(|error| Error::Impossible(error.to_string()))
}

/// The request that a row is woken for. A text that no code of ours wrote must not keep the others asleep:
/// its row is woken under a new id, and fails, if it does, alone.
pub fn request_to_wake(order: OrderId, text: String) -> RequestId {
    RequestId::try_from(text).unwrap_or_else(|error| {
        tracing::error!(order.id = %order, %error, "a stored request id cannot be read");
        RequestId::mint()
    })
}

/// A stored count, which is never negative.
pub fn count(stored: i32) -> Result<u32> {
    u32::try_from(stored).map_err(|_| Error::Impossible(format!("a count of {stored}")))
}

/// Rows that one statement wakes.
const AT_ONCE: usize = 2_000;

/// Wakes each row that `asleep` names, once, and answers how many. A sweep may run meanwhile and move
/// what was woken on again; to look for sleeping rows until there are none would never end beside it.
pub(crate) async fn each_once(
    conn: &mut MySqlConnection,
    asleep: &'static str,
    wake: &'static str,
) -> Result<u64> {
    let ids: Vec<Uuid> = sqlx::query_scalar(asleep).fetch_all(&mut *conn).await?;
    let mut woken = 0;
    for some in ids.chunks(AT_ONCE) {
        let some = batch::ids(some.iter().copied());
        woken += sqlx::query(wake).bind(some).execute(&mut *conn).await?.rows_affected();
    }
    Ok(woken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wake_ups_double_from_half_a_minute_to_ten_minutes() {
        let delays: Vec<_> = (0..8).map(delay_seconds).collect();
        assert_eq!(delays, [30, 60, 120, 240, 480, 600, 600, 600]);
        assert_eq!(delay_seconds(i32::MAX), 600);
    }
}

//! A batch travels as one JSON parameter, read by `json_table(?, '$[*]' columns(...))`: the statement's
//! text is the same for any batch size, so it is prepared once for each connection.
//!
//! Nothing is left to `json_table`'s conversions, which cut, clamp and replace without an error: texts and
//! numbers are checked types before they come here, ids travel as 32 hex digits, snapshots as strings.

use serde::Serialize;
use uuid::Uuid;

pub use super::error::touched;

/// How a locking read treats rows that another transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// Wait for them, up to the session's lock wait timeout.
    Wait,
    /// Leave them out; the members that needed them are put off.
    Skip,
}

impl Locks {
    /// Chooses between two texts of one statement.
    pub fn choose(self, wait: &'static str, skip: &'static str) -> &'static str {
        match self {
            Self::Wait => wait,
            Self::Skip => skip,
        }
    }
}

/// The rows as a JSON array.
pub fn json<T: Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).expect("rows of a batch are structs of strings and integers")
}

/// The ids as a JSON array of hex digits, sorted and each once: the order in which rows are locked.
pub fn ids(ids: impl IntoIterator<Item = Uuid>) -> String {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    json(&ids.iter().map(|id| id.simple().to_string()).collect::<Vec<_>>())
}

/// A time as a `datetime(6)` column reads it.
pub fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// Defines the two texts of a locking read over a JSON array of ids, sorted by the caller with [`ids`]:
/// one that waits for held rows and one that skips them.
///
/// The derived table with a limit keeps the ids' order, and the forced index keeps the locks on the rows
/// asked for. (A plain join is refused by `MySQL`, error 3569; `in (select ...)` locks every row of a
/// small table on `MariaDB`.)
#[macro_export]
macro_rules! lock_by_id {
    ($wait:ident, $skip:ident, $columns:literal, $table:literal, $key:literal) => {
        const $wait: &str = $crate::lock_by_id!(@text $columns, $table, $key, " for update");
        const $skip: &str = $crate::lock_by_id!(@text $columns, $table, $key, " for update skip locked");
    };
    (@text $columns:literal, $table:literal, $key:literal, $lock:literal) => {
        concat!(
            "select ", $columns,
            " from (select unhex(j.id) as id",
            " from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j limit 1000000) d",
            " straight_join ", $table, " t force index (primary) on t.", $key, " = d.id", $lock
        )
    };
}

//! Adjustments of the stock by admins: a delta, a reason, and a row of the ledger in the same
//! transaction. Every row is kept; the first is the product's initial stock.

mod change;
pub mod store;

use chrono::{DateTime, Utc};

pub use change::{Adjusted, adjust};

use crate::id::{AdjustmentId, ProductId, UserId};

/// The most units that one adjustment moves, or that a product begins with.
pub const MOST: i64 = 1_000_000_000;
const LONGEST_REASON: usize = 200;

/// The text or number cannot be part of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAdjustment {
    /// Not a number of units.
    #[error("a stock is 0 to 1000000000 units")]
    Units,
    /// Moves nothing, or too much.
    #[error("a delta is -1000000000 to 1000000000 units and not 0")]
    Delta,
    /// Says nothing, or too much.
    #[error("a reason is 1 to 200 characters without control characters")]
    Reason,
}

/// How many units a product begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units(i64);

impl Units {
    /// Takes the number as it is, or refuses it.
    pub fn parse(count: i64) -> Result<Self, BadAdjustment> {
        (0..=MOST).contains(&count).then_some(Self(count)).ok_or(BadAdjustment::Units)
    }

    /// The number.
    pub fn count(self) -> i64 {
        self.0
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Its id.
    pub id: AdjustmentId,
    /// Whose stock it changed.
    pub product_id: ProductId,
    /// By how many units.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// Who did it; nobody when it was seeded.
    pub by: Option<UserId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Checks a delta.
pub fn parse_delta(delta: i64) -> Result<i64, BadAdjustment> {
    let fits = delta != 0 && (-MOST..=MOST).contains(&delta);
    fits.then_some(delta).ok_or(BadAdjustment::Delta)
}

/// Trims and checks a reason.
pub fn parse_reason(text: &str) -> Result<String, BadAdjustment> {
    let text = text.trim();
    let fits =
        (1..=LONGEST_REASON).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(BadAdjustment::Reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_moves_something_within_reason_and_says_why() {
        assert_eq!(parse_delta(-MOST), Ok(-MOST));
        for bad in [0, MOST + 1, -MOST - 1, i64::MIN, i64::MAX] {
            assert_eq!(parse_delta(bad), Err(BadAdjustment::Delta), "{bad}");
        }
        assert_eq!(parse_reason(" broken "), Ok("broken".to_owned()));
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert_eq!(parse_reason(bad), Err(BadAdjustment::Reason), "{bad:?}");
        }
        assert!(
            Units::parse(0).is_ok() && Units::parse(-1).is_err() && Units::parse(MOST + 1).is_err()
        );
    }
}

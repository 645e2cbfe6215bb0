//! The lines of a checkout as they were when it was accepted. They are stored as one text with the
//! checkout, and become the order's lines: what changes in the catalogue later changes no order.

use serde::{Deserialize, Serialize};

use crate::id::ProductId;
use crate::money;

/// One line: what, how many, at which price each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotLine {
    /// The product; each at most once in a snapshot.
    pub product_id: ProductId,
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// Minor units for one.
    pub price: i64,
}

/// The lines as the text that is stored.
pub fn write(lines: &[SnapshotLine]) -> String {
    serde_json::to_string(lines).expect("a snapshot is strings and integers")
}

/// Reads what [`write()`] wrote.
pub fn read(text: &str) -> Result<Vec<SnapshotLine>, serde_json::Error> {
    serde_json::from_str(text)
}

/// What the lines cost together in minor units; `None` when it does not fit.
pub fn total(lines: &[SnapshotLine]) -> Option<i64> {
    money::total(lines.iter().map(|line| (line.price, line.quantity)))
}

//! A cart: what a buyer means to buy. One for each account, made with it and never deleted; its version
//! grows with every change of a line.
//!
//! ```text
//! changes of many buyers -> one transaction (write) -> lock carts, read them -> fold in arrival order
//!                                                      -> write what differs -> each gets the cart
//!                                                                               after its own change
//! ```
//!
//! - Stock is only looked at when a line grows: nothing is reserved before the checkout.
//! - A line remembers the price that the buyer saw; the cart is always shown, and charged, at today's.

mod fold;
pub mod store;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use view::{Cart, Facts, Issue, Line};
pub use write::CartWrites;
pub(crate) use write::lock_all;

use chrono::{DateTime, Utc};

use crate::id::{ProductId, UserId};

/// Most lines that a buyer can collect.
pub const MAX_LINES: usize = 2_000;

/// What a buyer does to their cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Adds to what is there.
    Add {
        /// Of what.
        product: ProductId,
        /// How many more, from 1.
        quantity: u32,
    },
    /// Makes it this many; 0 removes the line.
    Set {
        /// Of what.
        product: ProductId,
        /// How many.
        quantity: u32,
    },
    /// Removes the line; an absent one is fine.
    Remove {
        /// Of what.
        product: ProductId,
    },
    /// Removes every line.
    Clear,
}

impl Op {
    /// The product that the operation names.
    pub fn product(&self) -> Option<ProductId> {
        match *self {
            Self::Add { product, .. } | Self::Set { product, .. } | Self::Remove { product } => {
                Some(product)
            }
            Self::Clear => None,
        }
    }
}

/// One buyer's change.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Whose cart.
    pub user: UserId,
    /// What is done to it.
    pub op: Op,
    /// Now: new lines are shown in this order.
    pub at: DateTime<Utc>,
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are fewer than the line would hold.
    OutOfStock {
        /// How many there are.
        available: i64,
    },
    /// The product does not exist or is no longer sold.
    ProductUnavailable,
    /// A line holds at most 1,000,000.
    TooMany,
    /// A cart holds at most 2,000 lines.
    CartFull,
}

//! A cart as it is shown: its lines at today's prices, and what is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::id::{OrderId, ProductId};
use crate::money;

/// A cart with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// One more for each change of a line.
    pub version: i64,
    /// The order that its lines went to last.
    pub last_order: Option<OrderId>,
    /// The lines, by product.
    pub lines: BTreeMap<ProductId, Line>,
}

/// A line of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How many.
    pub quantity: u32,
    /// What one cost when the buyer set the line, in minor units.
    pub seen_price: i64,
    /// When the line was made.
    pub added_at: DateTime<Utc>,
    /// The product as it is now.
    pub product: Arc<Facts>,
}

/// What a cart shows of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What one costs now, in minor units.
    pub price: i64,
    /// How many can be taken now.
    pub available: i64,
    /// Whether it is still sold.
    pub sold: bool,
}

/// What the buyer should know about a line before ordering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    /// It cost another price when the buyer set the line.
    PriceChanged {
        /// The price that they saw, in minor units.
        was: i64,
    },
    /// There are fewer than the line holds.
    InsufficientStock {
        /// How many there are.
        available: i64,
    },
    /// It is no longer sold.
    ProductUnavailable,
}

impl Cart {
    /// The lines in the order in which they were made.
    pub fn in_order(&self) -> Vec<(ProductId, &Line)> {
        let mut lines: Vec<_> = self.lines.iter().map(|(id, line)| (*id, line)).collect();
        lines.sort_by_key(|(id, line)| (line.added_at, *id));
        lines
    }

    /// What the lines that are still sold cost together now, in minor units; `None` when it does not fit.
    pub fn total(&self) -> Option<i64> {
        let sold = self.lines.values().filter(|line| line.product.sold);
        money::total(sold.map(|line| (line.product.price, line.quantity)))
    }
}

impl Line {
    /// What is wrong with the line, if anything.
    pub fn issues(&self) -> Vec<Issue> {
        let product = &self.product;
        if !product.sold {
            return vec![Issue::ProductUnavailable];
        }
        let price = (product.price != self.seen_price)
            .then_some(Issue::PriceChanged { was: self.seen_price });
        let stock = (product.available < i64::from(self.quantity))
            .then_some(Issue::InsufficientStock { available: product.available });
        price.into_iter().chain(stock).collect()
    }
}

//! Who gets what, first come first served. Pure: the rows are locked by the caller, who writes the result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkout::SnapshotLine;
use crate::id::ProductId;

/// What is known of a product when its row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// How many can still be taken.
    pub available: i64,
    /// Whether it is still sold.
    pub sold: bool,
}

/// A line that could not be taken, as the buyer is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The product.
    pub product_id: ProductId,
    /// Its code.
    pub sku: String,
    /// How many the order wanted.
    pub requested: u32,
    /// How many there were at its turn; 0 for a product that is no longer sold.
    pub available: i64,
}

/// The fate of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allocation {
    /// All lines were taken off the shelves.
    Taken,
    /// Some products are no longer sold; nothing was taken.
    Unavailable(Vec<Shortfall>),
    /// Some products were short; nothing was taken.
    Short(Vec<Shortfall>),
}

/// Takes the lines of one order off the shelves, all or nothing. A product without a shelf is not sold.
/// Later calls on the same shelves see what this one left.
pub fn allocate(shelves: &mut BTreeMap<ProductId, Shelf>, lines: &[SnapshotLine]) -> Allocation {
    let lacking = |want: &dyn Fn(Shelf, &SnapshotLine) -> bool| -> Vec<Shortfall> {
        let none = Shelf { available: 0, sold: false };
        lines
            .iter()
            .map(|line| (shelves.get(&line.product_id).copied().unwrap_or(none), line))
            .filter(|(shelf, line)| want(*shelf, line))
            .map(|(shelf, line)| Shortfall {
                product_id: line.product_id,
                sku: line.sku.clone(),
                requested: line.quantity,
                available: if shelf.sold { shelf.available } else { 0 },
            })
            .collect()
    };
    let gone = lacking(&|shelf, _| !shelf.sold);
    if !gone.is_empty() {
        return Allocation::Unavailable(gone);
    }
    let short = lacking(&|shelf, line| shelf.available < i64::from(line.quantity));
    if !short.is_empty() {
        return Allocation::Short(short);
    }
    for line in lines {
        if let Some(shelf) = shelves.get_mut(&line.product_id) {
            shelf.available -= i64::from(line.quantity);
        }
    }
    Allocation::Taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(product: u128, quantity: u32) -> SnapshotLine {
        SnapshotLine {
            product_id: ProductId::from_uuid(uuid::Uuid::from_u128(product)),
            sku: format!("SKU-{product}"),
            name: String::new(),
            quantity,
            price: 1,
        }
    }

    fn shelves(rows: &[(u128, i64, bool)]) -> BTreeMap<ProductId, Shelf> {
        rows.iter()
            .map(|&(product, available, sold)| {
                (line(product, 1).product_id, Shelf { available, sold })
            })
            .collect()
    }

    #[test]
    fn the_first_come_are_served_until_the_shelf_is_empty() {
        let mut shelves = shelves(&[(1, 5, true)]);
        for left in [3, 1] {
            assert_eq!(allocate(&mut shelves, &[line(1, 2)]), Allocation::Taken);
            assert_eq!(shelves[&line(1, 1).product_id].available, left);
        }
        let short = Shortfall { available: 1, requested: 2, ..shortfall(1) };
        assert_eq!(allocate(&mut shelves, &[line(1, 2)]), Allocation::Short(vec![short]));
        assert_eq!(shelves[&line(1, 1).product_id].available, 1);
        assert_eq!(allocate(&mut shelves, &[line(1, 1)]), Allocation::Taken);
    }

    fn shortfall(product: u128) -> Shortfall {
        let line = line(product, 1);
        Shortfall { product_id: line.product_id, sku: line.sku, requested: 1, available: 0 }
    }

    #[test]
    fn an_order_takes_all_of_its_lines_or_nothing() {
        let mut shelves = shelves(&[(1, 5, true), (2, 0, true)]);
        let fate = allocate(&mut shelves, &[line(1, 1), line(2, 1)]);
        assert_eq!(fate, Allocation::Short(vec![shortfall(2)]));
        assert_eq!(shelves[&line(1, 1).product_id].available, 5);
    }

    #[test]
    fn a_product_that_is_gone_is_told_apart_from_one_that_is_short() {
        let mut shelves = shelves(&[(1, 5, false), (2, 0, true)]);
        let fate = allocate(&mut shelves, &[line(1, 1), line(2, 1), line(3, 1)]);
        assert_eq!(fate, Allocation::Unavailable(vec![shortfall(1), shortfall(3)]));
    }
}

//! What a change does to a cart. Pure: the carts are locked and read by the caller, who writes the difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Cart, Facts, Line, MAX_LINES, Op, Refusal};
use crate::id::ProductId;
use crate::money::MAX_QUANTITY;

/// The products that the changes name, as they are now; a missing one does not exist.
pub(super) type Catalogue = BTreeMap<ProductId, Arc<Facts>>;

/// Does the change, and raises the version if a line really differs. A refused change leaves the cart as
/// it was.
pub(super) fn apply(
    cart: &mut Cart,
    op: Op,
    catalogue: &Catalogue,
    at: DateTime<Utc>,
) -> Result<(), Refusal> {
    let changed = match op {
        Op::Add { product, quantity } => {
            let there = cart.lines.get(&product).map_or(0, |line| line.quantity);
            grow(cart, product, there.saturating_add(quantity), catalogue, at)?
        }
        Op::Set { product, quantity: 0 } | Op::Remove { product } => {
            cart.lines.remove(&product).is_some()
        }
        Op::Set { product, quantity } => grow(cart, product, quantity, catalogue, at)?,
        Op::Clear => !std::mem::take(&mut cart.lines).is_empty(),
    };
    cart.version += i64::from(changed);
    Ok(())
}

fn grow(
    cart: &mut Cart,
    id: ProductId,
    quantity: u32,
    catalogue: &Catalogue,
    at: DateTime<Utc>,
) -> Result<bool, Refusal> {
    let product =
        catalogue.get(&id).filter(|product| product.sold).ok_or(Refusal::ProductUnavailable)?;
    let there = cart.lines.get(&id);
    if quantity > MAX_QUANTITY {
        return Err(Refusal::TooMany);
    }
    let grows = there.is_none_or(|line| line.quantity < quantity);
    if grows && product.available < i64::from(quantity) {
        return Err(Refusal::OutOfStock { available: product.available });
    }
    if there.is_none() && cart.lines.len() >= MAX_LINES {
        return Err(Refusal::CartFull);
    }
    let line = Line {
        quantity,
        seen_price: product.price,
        added_at: there.map_or(at, |line| line.added_at),
        product: Arc::clone(product),
    };
    let same = there.is_some_and(|there| {
        there.quantity == line.quantity && there.seen_price == line.seen_price
    });
    cart.lines.insert(id, line);
    Ok(!same)
}

/// Which lines have to be written to make one cart of the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Vec<ProductId>,
    pub(super) changed: Vec<ProductId>,
    pub(super) removed: Vec<ProductId>,
}

/// What differs between the cart as it is stored and as it became.
pub(super) fn difference(stored: &Cart, now: &Cart) -> Difference {
    let mut difference = Difference::default();
    for (id, line) in &now.lines {
        match stored.lines.get(id) {
            None => difference.added.push(*id),
            Some(old)
                if (old.quantity, old.seen_price, old.added_at)
                    != (line.quantity, line.seen_price, line.added_at) =>
            {
                difference.changed.push(*id);
            }
            Some(_) => {}
        }
    }
    difference.removed =
        stored.lines.keys().filter(|id| !now.lines.contains_key(id)).copied().collect();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(price: i64, available: i64) -> Arc<Facts> {
        Arc::new(Facts { sku: "mug".into(), name: "Mug".into(), price, available, sold: true })
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn empty() -> Cart {
        Cart { version: 7, last_order: None, lines: BTreeMap::new() }
    }

    fn add(product: ProductId, quantity: u32) -> Op {
        Op::Add { product, quantity }
    }

    #[test]
    fn adding_adds_up_and_each_change_counts() {
        let mug = ProductId::mint();
        let catalogue = Catalogue::from([(mug, facts(500, 9))]);
        let mut cart = empty();
        for quantity in [1, 2, 3] {
            apply(&mut cart, add(mug, quantity), &catalogue, at(1)).unwrap();
        }
        assert_eq!((cart.version, cart.lines[&mug].quantity), (10, 6));
        assert_eq!(
            apply(&mut cart, add(mug, 4), &catalogue, at(2)),
            Err(Refusal::OutOfStock { available: 9 })
        );
        assert_eq!((cart.version, cart.lines[&mug].quantity), (10, 6), "a refusal changes nothing");
    }

    #[test]
    fn what_changes_no_line_raises_no_version() {
        let mug = ProductId::mint();
        let catalogue = Catalogue::from([(mug, facts(500, 9))]);
        let mut cart = empty();
        for op in [Op::Clear, Op::Remove { product: mug }, Op::Set { product: mug, quantity: 0 }] {
            apply(&mut cart, op, &catalogue, at(1)).unwrap();
        }
        assert_eq!(cart.version, 7);
        let set = Op::Set { product: mug, quantity: 2 };
        apply(&mut cart, set, &catalogue, at(1)).unwrap();
        apply(&mut cart, set, &catalogue, at(2)).unwrap();
        assert_eq!((cart.version, cart.lines[&mug].added_at), (8, at(1)));
        let dearer = Catalogue::from([(mug, facts(600, 9))]);
        apply(&mut cart, set, &dearer, at(3)).unwrap();
        assert_eq!(
            (cart.version, cart.lines[&mug].seen_price),
            (9, 600),
            "the price was seen anew"
        );
    }

    #[test]
    fn a_line_may_shrink_but_not_grow_while_stock_is_short() {
        let mug = ProductId::mint();
        let mut cart = empty();
        apply(&mut cart, add(mug, 8), &Catalogue::from([(mug, facts(500, 9))]), at(1)).unwrap();
        let short = Catalogue::from([(mug, facts(500, 2))]);
        apply(&mut cart, Op::Set { product: mug, quantity: 5 }, &short, at(2)).unwrap();
        let more = apply(&mut cart, Op::Set { product: mug, quantity: 6 }, &short, at(3));
        assert_eq!(more, Err(Refusal::OutOfStock { available: 2 }));
        assert_eq!(
            cart.lines[&mug].issues(),
            [super::super::Issue::InsufficientStock { available: 2 }]
        );
    }

    #[test]
    fn what_is_not_sold_can_only_be_removed() {
        let mug = ProductId::mint();
        let mut cart = empty();
        let gone = Arc::new(Facts { sold: false, ..(*facts(500, 9)).clone() });
        let gone = Catalogue::from([(mug, gone)]);
        for catalogue in [Catalogue::new(), gone.clone()] {
            let refused = apply(&mut cart, add(mug, 1), &catalogue, at(1));
            assert_eq!(refused, Err(Refusal::ProductUnavailable));
        }
        apply(&mut cart, add(mug, 2), &Catalogue::from([(mug, facts(500, 9))]), at(1)).unwrap();
        let fewer = apply(&mut cart, Op::Set { product: mug, quantity: 1 }, &gone, at(2));
        assert_eq!(fewer, Err(Refusal::ProductUnavailable));
        apply(&mut cart, Op::Remove { product: mug }, &gone, at(3)).unwrap();
        assert!(cart.lines.is_empty());
    }

    #[test]
    fn the_bounds_of_lines_and_carts_hold() {
        let ids: Vec<_> = (0..=MAX_LINES).map(|_| ProductId::mint()).collect();
        let catalogue: Catalogue = ids.iter().map(|id| (*id, facts(1, i64::MAX))).collect();
        let mut cart = empty();
        for id in &ids[..MAX_LINES] {
            apply(&mut cart, add(*id, MAX_QUANTITY), &catalogue, at(1)).unwrap();
        }
        assert_eq!(
            apply(&mut cart, add(ids[MAX_LINES], 1), &catalogue, at(1)),
            Err(Refusal::CartFull)
        );
        assert_eq!(apply(&mut cart, add(ids[0], 1), &catalogue, at(1)), Err(Refusal::TooMany));
        assert_eq!(
            apply(&mut cart, add(ids[0], u32::MAX), &catalogue, at(1)),
            Err(Refusal::TooMany)
        );
    }

    #[test]
    fn the_difference_is_what_has_to_be_written() {
        let [kept, grown, gone, new] = [(); 4].map(|()| ProductId::mint());
        let catalogue: Catalogue =
            [kept, grown, gone, new].into_iter().map(|id| (id, facts(1, 9))).collect();
        let mut stored = empty();
        for id in [kept, grown, gone] {
            apply(&mut stored, add(id, 1), &catalogue, at(1)).unwrap();
        }
        let mut now = stored.clone();
        apply(&mut now, add(grown, 1), &catalogue, at(2)).unwrap();
        apply(&mut now, Op::Remove { product: gone }, &catalogue, at(2)).unwrap();
        apply(&mut now, add(new, 1), &catalogue, at(2)).unwrap();
        let expected = Difference { added: vec![new], changed: vec![grown], removed: vec![gone] };
        assert_eq!(difference(&stored, &now), expected);
        assert_eq!(difference(&stored, &stored), Difference::default());
    }
}

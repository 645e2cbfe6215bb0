//! `C` invoices: which of them equal a whole earlier order of their customer.
//!
//! An invoice is compared by units per stock code, all its rows together and whatever their price: a
//! return is often written at another one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rows::Row;

/// What a `C` invoice asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// To cancel the whole order of the invoice at this place of the plan.
    Whole(usize),
    /// Equals an order that an earlier `C` invoice has cancelled already.
    Repeated,
    /// Some units or lines of one earlier order.
    Part,
    /// Nothing that this customer ordered in one go before.
    Unmatched,
    /// The books do not say whose it is.
    NoCustomer,
}

type Units<'a> = BTreeMap<&'a str, u64>;

#[derive(Default)]
struct Past<'a> {
    orders: Vec<(usize, Units<'a>)>,
    cancelled: HashSet<usize>,
}

/// For each invoice what it asks for, or `None` for a sale. The invoices are given in their order.
pub fn find(invoices: &[Vec<&Row>]) -> Vec<Option<Return>> {
    let mut pasts: HashMap<&str, Past<'_>> = HashMap::new();
    let mut found = Vec::with_capacity(invoices.len());
    for (place, rows) in invoices.iter().enumerate() {
        let customer = rows[0].customer.as_deref();
        let is_return = rows[0].invoice.starts_with('C');
        let past = customer.map(|customer| pasts.entry(customer).or_default());
        found.push(match (is_return, past) {
            (true, Some(past)) => Some(past.answer(&units(rows))),
            (true, None) => Some(Return::NoCustomer),
            (false, Some(past)) => {
                past.orders.push((place, units(rows)));
                None
            }
            (false, None) => None,
        });
    }
    found
}

impl Past<'_> {
    fn answer(&mut self, wanted: &Units<'_>) -> Return {
        let equal: Vec<usize> = self
            .orders
            .iter()
            .filter(|(_, units)| units == wanted)
            .map(|(place, _)| *place)
            .collect();
        // The latest one, as one would guess at the counter.
        let free = equal.iter().rev().find(|place| !self.cancelled.contains(place));
        if let Some(place) = free {
            self.cancelled.insert(*place);
            return Return::Whole(*place);
        }
        if !equal.is_empty() {
            return Return::Repeated;
        }
        let is_part_of = |units: &Units<'_>| {
            wanted.iter().all(|(code, quantity)| units.get(code) >= Some(quantity))
        };
        if self.orders.iter().any(|(_, units)| is_part_of(units)) {
            return Return::Part;
        }
        Return::Unmatched
    }
}

fn units<'a>(rows: &[&'a Row]) -> Units<'a> {
    let mut units = Units::new();
    for row in rows {
        *units.entry(row.code.as_str()).or_default() += row.quantity.unsigned_abs();
    }
    units
}

#[cfg(test)]
mod tests {
    use super::super::plan::group;
    use super::super::rows::Rows;
    use super::Return::{NoCustomer, Part, Repeated, Unmatched, Whole};
    use super::*;

    fn returns(lines: &[(&str, &str, i64, &str)]) -> Vec<Return> {
        let mut text = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,\
                        CustomerID,Country\n"
            .to_owned();
        for (invoice, code, quantity, customer) in lines {
            let row = format!(
                "{invoice},{code},MUG,{quantity},2010-12-01 08:00:00,1.5,{customer},EIRE\n"
            );
            text.push_str(&row);
        }
        let mut rows = Rows::default();
        rows.read(text.as_bytes()).unwrap();
        find(&group(&rows.rows)).into_iter().flatten().collect()
    }

    #[test]
    fn a_return_of_a_whole_order_names_it_the_latest_first() {
        let found = returns(&[
            ("1", "a", 2, "10.0"),
            ("1", "b", 1, "10.0"),
            ("2", "a", 2, "10.0"),
            ("3", "a", 2, "10.0"),
            ("C4", "a", -2, "10.0"),
            ("C5", "a", -1, "10.0"),
            ("C5", "a", -1, "10.0"),
            ("C6", "a", -2, "10.0"),
            ("C7", "b", -1, "10.0"),
            ("C7", "a", -2, "10.0"),
        ]);
        assert_eq!(found, [Whole(2), Whole(1), Repeated, Whole(0)]);
    }

    #[test]
    fn every_other_return_has_its_own_reason() {
        let found = returns(&[
            ("C1", "a", -2, "10.0"),
            ("2", "a", 2, "10.0"),
            ("2", "b", 1, "10.0"),
            ("C3", "a", -1, "10.0"),
            ("C4", "b", -1, "10.0"),
            ("C5", "a", -3, "10.0"),
            ("C6", "c", -1, "10.0"),
            ("C7", "a", -2, "11.0"),
            ("C8", "a", -2, ""),
        ]);
        assert_eq!(found, [Unmatched, Part, Part, Unmatched, Unmatched, Unmatched, NoCustomer]);
    }
}

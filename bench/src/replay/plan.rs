//! What will be done: products with their stock, buyers, and each invoice as a cart or a return.
//! Pure: the same rows give the same plan.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;

use super::dirt::{self, Dirt};
use super::returns::{self, Return};
use super::rows::{Row, Rows};

/// The whole replay, before its first request.
#[derive(Debug, Default)]
pub struct Plan {
    /// One for each (stock code, unit price) that is sold.
    pub products: Vec<Product>,
    /// Everybody who buys.
    pub buyers: Vec<Buyer>,
    /// Every invoice, in the order in which they were written.
    pub invoices: Vec<Invoice>,
    /// What became of the rows.
    pub rows: RowCounts,
}

/// A product of the replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The stock code and the price, which make the SKU.
    pub code: String,
    /// Minor units for one.
    pub price: i64,
    /// What the books first called it, or its code.
    pub name: String,
    /// Units that the files sell.
    pub demand: u64,
}

/// Who buys: a customer, or everybody in a country who gave no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// What distinguishes the buyer, in letters that an e-mail address may have.
    pub name: String,
    /// The buyer's invoices, by their place in the plan, in order.
    pub invoices: Vec<usize>,
}

/// One invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its number, which is the key of its checkout.
    pub number: String,
    /// When it was written.
    pub at: NaiveDateTime,
    /// What there is to do.
    pub what: What,
}

/// What there is to do for an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Fill the cart and check out.
    Sale(Vec<Line>),
    /// None of its rows can be sold.
    NothingToSell,
    /// A `C` invoice.
    Return(Return),
}

/// A product of an invoice, all its rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The product's place in the plan.
    pub product: usize,
    /// Units.
    pub quantity: u32,
}

/// Where the rows went; what follows the first adds up to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Lines of the files, their headers aside.
    pub read: u64,
    /// Rows that are sold.
    pub sold: u64,
    /// Rows of `C` invoices.
    pub returned: u64,
    /// Rows that are left out, by reason.
    pub dirty: BTreeMap<Dirt, u64>,
}

impl RowCounts {
    /// All that are accounted for.
    pub fn all(&self) -> u64 {
        self.sold + self.returned + self.dirty.values().sum::<u64>()
    }

    fn leave_out(&mut self, dirt: Dirt, rows: u64) {
        if rows > 0 {
            *self.dirty.entry(dirt).or_default() += rows;
        }
    }
}

impl Product {
    /// Nine tenths of the demand, rounded down, but never nothing: the only buyer of a single unit gets it.
    pub fn stock(&self) -> u64 {
        (self.demand * 9 / 10).max(1)
    }

    /// The SKU: the price has no colon, so no two products share one.
    pub fn sku(&self) -> String {
        format!("{}:{}", self.code, self.price)
    }
}

impl Plan {
    /// Plans the replay of these rows.
    pub fn new(read: &Rows) -> Self {
        let mut plan = Self::default();
        plan.rows.read = read.rows.len() as u64 + read.unreadable;
        plan.rows.leave_out(Dirt::Unreadable, read.unreadable);
        let invoices = group(&read.rows);
        let returns = returns::find(&invoices);
        let mut shelf = Shelf::default();
        let mut buyers = HashMap::new();
        for (place, (rows, found)) in invoices.iter().zip(returns).enumerate() {
            let what = match found {
                Some(found) => {
                    plan.rows.returned += rows.len() as u64;
                    What::Return(found)
                }
                None => shelf.sale(rows, &mut plan.rows),
            };
            let name = buyer(rows[0]);
            let buyer = *buyers.entry(name.clone()).or_insert_with(|| {
                plan.buyers.push(Buyer { name, invoices: Vec::new() });
                plan.buyers.len() - 1
            });
            plan.buyers[buyer].invoices.push(place);
            let number = rows[0].invoice.clone();
            plan.invoices.push(Invoice { number, at: written_at(rows), what });
        }
        plan.products = shelf.products;
        plan
    }
}

/// The rows of each invoice, the invoices by their time; equal times keep the order of the files.
pub(crate) fn group(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut places = HashMap::new();
    let mut invoices: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let place = *places.entry(row.invoice.as_str()).or_insert_with(|| {
            invoices.push(Vec::new());
            invoices.len() - 1
        });
        invoices[place].push(row);
    }
    invoices.sort_by_key(|rows| written_at(rows));
    invoices
}

// Some invoices took more than a minute to write; their first row counts.
fn written_at(rows: &[&Row]) -> NaiveDateTime {
    rows.iter().map(|row| row.at).min().expect("an invoice has a row")
}

fn buyer(row: &Row) -> String {
    let (kind, text) = match &row.customer {
        Some(number) => ("customer", number),
        None => ("country", &row.country),
    };
    let text: String = text
        .chars()
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' },
        )
        .collect();
    format!("{kind}-{text}")
}

/// The products met so far.
#[derive(Default)]
struct Shelf {
    products: Vec<Product>,
    places: HashMap<(String, i64), usize>,
}

impl Shelf {
    fn sale(&mut self, rows: &[&Row], counts: &mut RowCounts) -> What {
        // By product in the order of the invoice: units, and of how many rows.
        let mut wanted: Vec<(usize, u64, u64)> = Vec::new();
        for row in rows {
            let (quantity, price) = match dirt::judge(row) {
                Ok(good) => good,
                Err(dirt) => {
                    counts.leave_out(dirt, 1);
                    continue;
                }
            };
            let product = self.place(row, price);
            match wanted.iter_mut().find(|(known, ..)| *known == product) {
                Some((_, sum, rows)) => {
                    *sum += u64::from(quantity);
                    *rows += 1;
                }
                None => wanted.push((product, u64::from(quantity), 1)),
            }
        }
        let mut lines = Vec::new();
        for (product, sum, rows) in wanted {
            match u32::try_from(sum) {
                Ok(quantity) if i64::from(quantity) <= dirt::MOST_UNITS => {
                    counts.sold += rows;
                    self.products[product].demand += sum;
                    lines.push(Line { product, quantity });
                }
                _ => counts.leave_out(Dirt::TooMany, rows),
            }
        }
        if lines.is_empty() { What::NothingToSell } else { What::Sale(lines) }
    }

    fn place(&mut self, row: &Row, price: i64) -> usize {
        let place = *self.places.entry((row.code.clone(), price)).or_insert_with(|| {
            let (code, name) = (row.code.clone(), String::new());
            self.products.push(Product { code, price, name, demand: 0 });
            self.products.len() - 1
        });
        let product = &mut self.products[place];
        if product.name.is_empty() {
            let name = if row.description.is_empty() { &row.code } else { &row.description };
            product.name = name.chars().take(200).collect();
        }
        place
    }
}

#[cfg(test)]
mod tests;

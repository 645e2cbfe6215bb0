//! Which rows can be sold, and why the others cannot.
//!
//! Sold all the same: a row without a description (its product takes the stock code as its name), one
//! whose description differs from an earlier one's, gift vouchers, a code that is repeated.

use super::rows::{Row, is_visible};

/// The most units that a line may have.
pub const MOST_UNITS: i64 = 1_000_000;
const HIGHEST_PRICE: i64 = 1_000_000_000_000;
const LONGEST_CODE: usize = 40;

// Postage, carriage, fees, discounts, samples, corrections: in the books, never on a shelf.
const NOT_GOODS: [&str; 10] =
    ["POST", "DOT", "C2", "D", "M", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"];

/// Why a row is not sold. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirt {
    /// The line of the file is no row.
    Unreadable,
    /// The code stands for no goods: postage, a fee, a discount.
    NotGoods,
    /// Something went back or was lost, but the invoice is no `C` invoice.
    NegativeQuantity,
    /// No units at all.
    NoQuantity,
    /// It cost nothing: a correction of the stock.
    NoPrice,
    /// The price is no whole number of minor units, or above what a price may be.
    BadPrice,
    /// More units than a line may have, alone or with the invoice's other rows of the product.
    TooMany,
    /// The code is no SKU: empty, too long, or with a character that is not visible ASCII.
    BadCode,
}

impl Dirt {
    /// As the table calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotGoods => "not goods (postage, fees, discounts)",
            Self::NegativeQuantity => "negative quantity outside a C invoice",
            Self::NoQuantity => "quantity of zero",
            Self::NoPrice => "price of zero",
            Self::BadPrice => "price is no amount of minor units",
            Self::TooMany => "quantity above 1,000,000",
            Self::BadCode => "stock code is no SKU",
        }
    }
}

/// The units and the price in minor units of a row that can be sold.
pub fn judge(row: &Row) -> Result<(u32, i64), Dirt> {
    if NOT_GOODS.iter().any(|code| code.eq_ignore_ascii_case(row.code.trim())) {
        return Err(Dirt::NotGoods);
    }
    if row.quantity < 0 {
        return Err(Dirt::NegativeQuantity);
    }
    if row.quantity == 0 {
        return Err(Dirt::NoQuantity);
    }
    let price = minor_units(&row.price).ok_or(Dirt::BadPrice)?;
    if price == 0 {
        return Err(Dirt::NoPrice);
    }
    if !(1..=HIGHEST_PRICE).contains(&price) {
        return Err(Dirt::BadPrice);
    }
    if row.quantity > MOST_UNITS {
        return Err(Dirt::TooMany);
    }
    if !(1..=LONGEST_CODE).contains(&row.code.len()) || !row.code.bytes().all(is_visible) {
        return Err(Dirt::BadCode);
    }
    Ok((u32::try_from(row.quantity).expect("it was compared with its bounds"), price))
}

/// `2.5` as 250. `None` for what is no number, or finer than a minor unit.
fn minor_units(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 2 {
        return None;
    }
    let cents: i64 = format!("{fraction:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;

    fn row(code: &str, quantity: i64, price: &str) -> Row {
        Row {
            invoice: "1".into(),
            code: code.into(),
            description: String::new(),
            quantity,
            at: NaiveDateTime::default(),
            price: price.into(),
            customer: None,
            country: "EIRE".into(),
        }
    }

    #[test]
    fn prices_are_read_exactly() {
        for (text, amount) in [
            ("2.55", Some(255)),
            ("2.5", Some(250)),
            ("13541.33", Some(1_354_133)),
            ("2", Some(200)),
            ("0.0", Some(0)),
            ("0.290", Some(29)),
            ("-11062.06", Some(-1_106_206)),
            ("0.001", None),
            ("", None),
            (".5", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(minor_units(text), amount, "{text}");
        }
    }

    #[test]
    fn a_row_is_sold_or_has_one_reason_why_not() {
        assert_eq!(judge(&row("20001a", 6, "2.55")), Ok((6, 255)));
        assert_eq!(judge(&row("gift_0001_40", 1, "34.04")), Ok((1, 3404)));
        assert_eq!(judge(&row("20001", MOST_UNITS, "0.01")), Ok((1_000_000, 1)));
        for (code, quantity, price, dirt) in [
            ("POST", -1, "0.0", Dirt::NotGoods),
            ("m", 1, "2.55", Dirt::NotGoods),
            ("BANK CHARGES", 1, "15.0", Dirt::NotGoods),
            ("20001", -3, "0.0", Dirt::NegativeQuantity),
            ("20001", 0, "1.0", Dirt::NoQuantity),
            ("20001", 3, "0.0", Dirt::NoPrice),
            ("20001", 3, "0.001", Dirt::BadPrice),
            ("20001", 3, "-5.00", Dirt::BadPrice),
            ("20001", 3, "10000000000.01", Dirt::BadPrice),
            ("20001", MOST_UNITS + 1, "1.0", Dirt::TooMany),
            ("", 3, "1.0", Dirt::BadCode),
            ("20 001", 3, "1.0", Dirt::BadCode),
            ("20001é", 3, "1.0", Dirt::BadCode),
        ] {
            assert_eq!(judge(&row(code, quantity, price)), Err(dirt), "{code} {quantity} {price}");
        }
    }
}

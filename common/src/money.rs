//! Money is an integer number of minor units (cents, pence) and a currency; an installation has one
//! currency. Arithmetic is checked, and there are no fractions anywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The highest price of one unit, in minor units.
pub const MAX_PRICE: i64 = 1_000_000_000_000;
/// The highest quantity of one line.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// An ISO 4217 code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// The text is not three upper-case letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three upper-case letters, such as EUR")]
pub struct BadCurrency;

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters are let in")
    }
}

impl FromStr for Currency {
    type Err = BadCurrency;

    fn from_str(text: &str) -> Result<Self, BadCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| BadCurrency)?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code)).ok_or(BadCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount as it travels: `{"amount": 1999, "currency": "EUR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

/// The price of a line in minor units; `None` when it does not fit.
pub fn line_total(price: i64, quantity: u32) -> Option<i64> {
    price.checked_mul(i64::from(quantity))
}

/// The sum of `(price, quantity)` lines in minor units; `None` when it does not fit.
pub fn total(lines: impl IntoIterator<Item = (i64, u32)>) -> Option<i64> {
    lines
        .into_iter()
        .try_fold(0_i64, |sum, (price, quantity)| sum.checked_add(line_total(price, quantity)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["eur", "EU", "EURO", "E1R", "", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(BadCurrency), "{bad}");
        }
    }

    #[test]
    fn money_travels_as_it_is_written() {
        let currency: Currency = "EUR".parse().unwrap();
        assert_eq!((currency.to_string(), format!("{currency:?}")), ("EUR".into(), "EUR".into()));
        let (money, text) =
            (Money { amount: 1999, currency }, r#"{"amount":1999,"currency":"EUR"}"#);
        assert_eq!(serde_json::to_string(&money).unwrap(), text);
        assert_eq!(serde_json::from_str::<Money>(text).unwrap(), money);
        assert!(serde_json::from_str::<Money>(&text.to_lowercase()).is_err());
    }

    #[test]
    fn sums_are_exact_and_overflow_is_noticed() {
        assert_eq!(total([(199, 3), (1, 1)]), Some(598));
        assert_eq!(total([]), Some(0));
        assert_eq!(total([(MAX_PRICE, MAX_QUANTITY); 10]), None);
        assert_eq!(total([(MAX_PRICE, MAX_QUANTITY)]), Some(1_000_000_000_000_000_000));
    }
}

//! The fields of a product, checked before they come near the database.

use crate::money::MAX_PRICE;

const LONGEST_SKU: usize = 64;
const LONGEST_NAME: usize = 200;
const LONGEST_DESCRIPTION: usize = 4_000;

/// Why a text or a number cannot be a field of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// Not a code.
    #[error("a SKU is 1 to 64 visible ASCII characters")]
    Sku,
    /// Not a name.
    #[error("a name is 1 to 200 characters without control characters")]
    Name,
    /// Not a description.
    #[error("a description is at most 4000 characters without control characters but line breaks")]
    Description,
    /// Not a price.
    #[error("a price is 0 to 1000000000000 minor units")]
    Price,
}

/// A product's code: 1 to 64 visible ASCII characters, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku(String);

impl Sku {
    /// Takes the text as it is, or refuses it.
    pub fn parse(text: String) -> Result<Self, BadField> {
        let fits = (1..=LONGEST_SKU).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(Self(text)).ok_or(BadField::Sku)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A product's name: 1 to 200 characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Trims the text, or refuses it.
    pub fn parse(text: &str) -> Result<Self, BadField> {
        let text = text.trim();
        let fits = (1..=LONGEST_NAME).contains(&text.chars().count())
            && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadField::Name) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a product is: at most 4,000 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Takes the text as it is, or refuses it.
    pub fn parse(text: String) -> Result<Self, BadField> {
        let fits = text.chars().count() <= LONGEST_DESCRIPTION
            && !text.chars().any(|c| c.is_control() && c != '\n');
        fits.then_some(Self(text)).ok_or(BadField::Description)
    }

    /// The description as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Minor units for one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(i64);

impl Price {
    /// Takes the amount as it is, or refuses it.
    pub fn parse(amount: i64) -> Result<Self, BadField> {
        (0..=MAX_PRICE).contains(&amount).then_some(Self(amount)).ok_or(BadField::Price)
    }

    /// The amount.
    pub fn amount(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_visible_ascii() {
        assert!(Sku::parse("MUG-1'\";--%_".to_owned()).is_ok());
        assert!(Sku::parse("x".repeat(64)).is_ok());
        for bad in
            [String::new(), "x".repeat(65), "a b".into(), "é".into(), "a\n".into(), "\0".into()]
        {
            assert_eq!(Sku::parse(bad.clone()), Err(BadField::Sku), "{bad:?}");
        }
    }

    #[test]
    fn texts_are_counted_in_characters_and_hold_no_controls() {
        assert_eq!(Name::parse("  Mug ").unwrap().as_str(), "Mug");
        assert!(Name::parse(&"🎉".repeat(200)).is_ok());
        for bad in ["", "   ", "a\tb", "a\u{0}b", "a\u{85}b", &"x".repeat(201)] {
            assert_eq!(Name::parse(bad), Err(BadField::Name), "{bad:?}");
        }
        assert!(Description::parse("two\nlines".to_owned()).is_ok());
        assert!(Description::parse(String::new()).is_ok());
        assert!(Description::parse("ü".repeat(4_000)).is_ok());
        assert_eq!(Description::parse("x".repeat(4_001)), Err(BadField::Description));
        assert_eq!(Description::parse("bell\u{7}".to_owned()), Err(BadField::Description));
    }

    #[test]
    fn a_price_is_neither_negative_nor_beyond_reason() {
        assert!(Price::parse(0).is_ok() && Price::parse(MAX_PRICE).is_ok());
        for bad in [-1, MAX_PRICE + 1, i64::MIN, i64::MAX] {
            assert_eq!(Price::parse(bad), Err(BadField::Price));
        }
    }
}

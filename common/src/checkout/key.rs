//! What makes two checkouts the same one: the buyer's own key from the header, or else the version of the
//! cart, which no other checkout can have emptied.

use std::str::FromStr;

const LONGEST: usize = 200;

/// The key that a buyer sent: 1 to 200 visible ASCII characters, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderKey(String);

/// The header holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 200 visible ASCII characters")]
pub struct BadKey;

impl HeaderKey {
    /// The key as it is stored.
    pub fn stored(&self) -> String {
        format!("h:{}", self.0)
    }
}

/// The stored key of a checkout that came without a header.
pub fn of_cart(version: i64) -> String {
    format!("c:{version}")
}

impl FromStr for HeaderKey {
    type Err = BadKey;

    /// Reads the header's value, bare or quoted: the quotes are no part of the key.
    fn from_str(value: &str) -> Result<Self, BadKey> {
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(value);
        let fits = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(key.to_owned())).ok_or(BadKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_no_part_of_a_key_and_case_is() {
        let key = |text: &str| text.parse::<HeaderKey>();
        assert_eq!(key("\"8e03\""), key("8e03"));
        assert_ne!(key("ABC"), key("abc"));
        assert_eq!(key("~!x").unwrap().stored(), "h:~!x");
        assert!(key(&"k".repeat(200)).is_ok());
        assert!(key(&format!("\"{}\"", "k".repeat(200))).is_ok());
        for bad in ["", "\"\"", "two words", "tab\t", "ключ", &"k".repeat(201)] {
            assert_eq!(key(bad), Err(BadKey), "{bad:?}");
        }
    }
}

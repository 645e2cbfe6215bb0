//! A password, as it comes in and as it is kept. Neither is ever printed.

use std::fmt;

/// The fewest bytes.
const SHORTEST: usize = 10;
/// bcrypt reads 72 bytes, the last of which ends the text; what follows would silently not count.
const LONGEST: usize = 71;

/// A password that an account can have: 10 to 71 bytes, no NUL.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why no account can have this password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too easy to guess.
    #[error("a password has at least 10 bytes")]
    Short,
    /// bcrypt would ignore the rest.
    #[error(
        "a password has at most 71 bytes (letters outside ASCII count as several), because bcrypt reads no more"
    )]
    Long,
    /// bcrypt would end there.
    #[error("a password holds no NUL character")]
    Nul,
}

impl Password {
    /// Checks the length in bytes; the text itself is taken as it is.
    pub fn parse(text: String) -> Result<Self, BadPassword> {
        match text.len() {
            ..SHORTEST => Err(BadPassword::Short),
            SHORTEST..=LONGEST if text.contains('\0') => Err(BadPassword::Nul),
            SHORTEST..=LONGEST => Ok(Self(text)),
            _ => Err(BadPassword::Long),
        }
    }

    /// The text; only for hashing.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as it is stored.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text; only for storing and comparing.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_bytes_and_their_edges_are_in() {
        let parse = |text: &str| Password::parse(text.to_owned()).err();
        assert_eq!(parse(&"x".repeat(9)), Some(BadPassword::Short));
        assert_eq!(parse(&"x".repeat(10)), None);
        assert_eq!(parse(&"x".repeat(71)), None);
        assert_eq!(parse(&"x".repeat(72)), Some(BadPassword::Long));
        assert_eq!(parse(&"ü".repeat(36)), Some(BadPassword::Long));
        assert_eq!(parse("0123456789\0abc"), Some(BadPassword::Nul));
    }

    #[test]
    fn neither_form_is_printed() {
        let password = Password::parse("correct horse".to_owned()).unwrap();
        let hash = PasswordHash::stored("$2b$04$abc".to_owned());
        assert!(!format!("{password:?}{hash:?}").contains("horse"));
        assert!(!format!("{password:?}{hash:?}").contains("abc"));
    }
}

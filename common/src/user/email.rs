//! An e-mail address, trimmed and lower-cased: two spellings of one mailbox are one account.

use std::fmt;

/// The most bytes that an address can have on the way (RFC 5321).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;
/// Would need quotes in the local part; no mailbox provider hands such names out.
const NEEDS_QUOTES: &[char] = &['"', '(', ')', ',', ':', ';', '<', '>', '[', '\\', ']', '@'];

/// A normalised address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address of the form name@example.com with at most 254 bytes")]
pub struct BadEmail;

impl Email {
    /// Trims, lower-cases and checks the form. Whether mail arrives there is not checked.
    pub fn parse(text: &str) -> Result<Self, BadEmail> {
        // A megabyte is not worth lower-casing.
        if text.len() > 4 * LONGEST {
            return Err(BadEmail);
        }
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(BadEmail)?;
        let fits = text.len() <= LONGEST && is_local(local) && is_domain(domain);
        fits.then_some(Self(text)).ok_or(BadEmail)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Addresses are personal, so they are not printed by accident.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

fn is_local(local: &str) -> bool {
    local.len() <= LONGEST_LOCAL
        && local.split('.').all(|atom| !atom.is_empty())
        && local
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !NEEDS_QUOTES.contains(&c))
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_are_one_address() {
        for text in ["ann@example.com", " Ann@Example.COM\t", "ANN@EXAMPLE.COM"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), "ann@example.com");
        }
        for fine in ["a.b+c@x-y.example", "jörg@bücher.example", "o'neil_1%x@a.b"] {
            assert!(Email::parse(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let long = format!("{}@example.com", "x".repeat(65));
        let far = format!("a@{}.com", "x.".repeat(130));
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a",
            "a@b",
            "a b@c.d",
            "a@b..c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@b@c.d",
            "\"a b\"@c.d",
            "a@-b.c",
            "a@b-.c",
            "a\0@b.c",
            "a@b.c\nbcc:x@y.z",
            "<a@b.c>",
            &long,
            &far,
        ] {
            assert_eq!(Email::parse(bad), Err(BadEmail), "{bad}");
        }
    }
}

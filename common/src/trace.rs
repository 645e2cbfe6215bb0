//! The request id: accepted or minted at the edge, returned, stored with the checkout, carried in the
//! message and logged by the worker. One search for it tells an order's story across processes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::RequestKey;

/// 8 to 128 letters, digits, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RequestId(String);

/// The text is not a request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 8 to 128 letters, digits, '_' or '-'")]
pub struct BadRequestId;

impl RequestId {
    /// A fresh one, for a request that brought none.
    pub fn mint() -> Self {
        Self(RequestKey::mint().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = BadRequestId;

    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        let fits = (8..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        fits.then(|| Self(text.to_owned())).ok_or(BadRequestId)
    }
}

impl TryFrom<String> for RequestId {
    type Error = BadRequestId;

    fn try_from(text: String) -> Result<Self, BadRequestId> {
        text.parse()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_log_line_is_refused() {
        assert!("abc-DEF_123".parse::<RequestId>().is_ok());
        assert!(RequestId::mint().as_str().parse::<RequestId>().is_ok());
        for bad in ["short", "with space", "new\nline12", "quote\"1234", &"x".repeat(129)] {
            assert_eq!(bad.parse::<RequestId>(), Err(BadRequestId), "{bad}");
        }
    }
}

//! How a buyer pays: a token of the payment gateway. The mock's tokens say what it will do with a charge,
//! so that every good and bad day of a gateway can be ordered by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest wait that a token can ask for, in milliseconds.
pub const MAX_SLOW_MS: u32 = 60_000;
const MAX_REASON: usize = 40;

/// What becomes of a charge. Its token is at most 64 ASCII characters and reads back as itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// `tok_approve`: captured.
    Approve,
    /// `tok_decline_<reason>`: declined for this reason.
    Decline(DeclineReason),
    /// `tok_slow_<ms>`: captured after this many milliseconds.
    Slow(SlowMs),
    /// `tok_timeout`: no answer in any caller's patience, and never a charge.
    Timeout,
    /// `tok_timeout_after_charge`: captured, but the first answer is lost.
    TimeoutAfterCharge,
    /// `tok_fail_once`: the first call finds the gateway unavailable, later ones capture.
    FailOnce,
}

/// Why a charge is declined: 1 to 40 of `a` to `z` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeclineReason(String);

/// A wait of at most [`MAX_SLOW_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlowMs(u32);

/// The token names no payment method. (It is not repeated here: tokens stay out of logs.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown payment method; known are tok_approve, tok_decline_<reason: 1 to 40 of a-z and _>, \
     tok_slow_<milliseconds: 0 to 60000>, tok_timeout, tok_timeout_after_charge, tok_fail_once"
)]
pub struct UnknownMethod;

impl DeclineReason {
    /// The reason as the gateway gives it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SlowMs {
    /// The wait.
    pub fn wait(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::from(self.0))
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(token: &str) -> Result<Self, UnknownMethod> {
        match token.strip_prefix("tok_").ok_or(UnknownMethod)? {
            "approve" => Ok(Self::Approve),
            "timeout" => Ok(Self::Timeout),
            "timeout_after_charge" => Ok(Self::TimeoutAfterCharge),
            "fail_once" => Ok(Self::FailOnce),
            rest => {
                if let Some(reason) = rest.strip_prefix("decline_") {
                    decline(reason)
                } else if let Some(ms) = rest.strip_prefix("slow_") {
                    slow(ms)
                } else {
                    Err(UnknownMethod)
                }
            }
        }
    }
}

fn decline(reason: &str) -> Result<Method, UnknownMethod> {
    let fits = (1..=MAX_REASON).contains(&reason.len())
        && reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    fits.then(|| Method::Decline(DeclineReason(reason.to_owned()))).ok_or(UnknownMethod)
}

/// Leading zeros and signs are refused, so that one method has one token.
fn slow(ms: &str) -> Result<Method, UnknownMethod> {
    let value: u32 = ms.parse().map_err(|_| UnknownMethod)?;
    let fits = value <= MAX_SLOW_MS && value.to_string() == ms;
    fits.then_some(Method::Slow(SlowMs(value))).ok_or(UnknownMethod)
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approve => f.write_str("tok_approve"),
            Self::Decline(reason) => write!(f, "tok_decline_{}", reason.0),
            Self::Slow(ms) => write!(f, "tok_slow_{}", ms.0),
            Self::Timeout => f.write_str("tok_timeout"),
            Self::TimeoutAfterCharge => f.write_str("tok_timeout_after_charge"),
            Self::FailOnce => f.write_str("tok_fail_once"),
        }
    }
}

impl TryFrom<String> for Method {
    type Error = UnknownMethod;

    fn try_from(token: String) -> Result<Self, UnknownMethod> {
        token.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_itself_and_fits_its_column() {
        let longest = format!("tok_decline_{}", "z".repeat(MAX_REASON));
        for token in [
            "tok_approve",
            "tok_decline_insufficient_funds",
            "tok_decline__",
            "tok_slow_0",
            "tok_slow_60000",
            "tok_timeout",
            "tok_timeout_after_charge",
            "tok_fail_once",
            &longest,
        ] {
            let method: Method = token.parse().unwrap();
            assert_eq!(method.to_string(), token);
            assert!(token.len() <= 64 && token.is_ascii());
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_known_ones() {
        let too_long = format!("tok_decline_{}", "z".repeat(MAX_REASON + 1));
        for bad in [
            "",
            "approve",
            "tok_",
            "tok_approve ",
            "TOK_APPROVE",
            "tok_decline_",
            "tok_decline_No",
            "tok_decline_ü",
            "tok_slow_",
            "tok_slow_-1",
            "tok_slow_+1",
            "tok_slow_007",
            "tok_slow_60001",
            "tok_slow_99999999999",
            "tok_timeout_after",
            &too_long,
        ] {
            assert_eq!(bad.parse::<Method>(), Err(UnknownMethod), "{bad}");
        }
        let text = UnknownMethod.to_string();
        for known in [
            "tok_approve",
            "tok_decline_",
            "tok_slow_",
            "tok_timeout_after_charge",
            "tok_fail_once",
        ] {
            assert!(text.contains(known), "{text}");
        }
    }
}

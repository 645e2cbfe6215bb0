//! What we ask of a payment gateway. Everything rests on one promise: calls are idempotent by key, and the
//! key is the payment's id, so that any worker may ask again at any time.
//!
//! ```text
//! charge(key) -> Captured | Declined(reason)   a verdict; the same one for ever, whoever asks
//! charge(key) -> GatewayError                  no verdict: captured or not, only asking again tells
//! void(key)                                    undoes a capture; a later charge(key) is Declined("voided")
//! ```
//!
//! No transaction is open while any of these is awaited.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;

use super::Method;
use crate::id::PaymentId;
use crate::money::Currency;
use crate::trace::RequestId;

/// The reason of a decline that follows from a void.
pub const VOIDED: &str = "voided";

/// What is to be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The payment, and so the key of every attempt.
    pub key: PaymentId,
    /// Minor units.
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// How the buyer pays.
    pub method: Method,
    /// The request that the order came with, for the gateway's records; it changes nothing.
    pub request: Option<RequestId>,
}

/// The gateway's definite answer to a charge. A decline is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The money is ours.
    Captured,
    /// It is not and will not be under this key: at most 64 ASCII characters say why.
    Declined(String),
}

/// No verdict: the call may have done its work, and another call with the same key will tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// No answer in time.
    #[error("the payment gateway did not answer in time")]
    TimedOut,
    /// It could not be reached, or said that it cannot work now.
    #[error("the payment gateway is unavailable: {0}")]
    Unavailable(String),
}

impl GatewayError {
    /// The kind of error as the log of attempts keeps it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A payment gateway.
pub trait Gateway: Send + Sync {
    /// Captures the amount. The same key answers the verdict that it got first, at once, and captures
    /// nothing more; a key that was voided answers `Declined("voided")`. An error is no verdict. May take
    /// as long as it likes: the caller sets the limit, see [`within`].
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Verdict, GatewayError>>;

    /// Undoes what was or will be captured under this key: gives a capture back, and makes every later
    /// charge with the key fail with `Declined("voided")`. The second call does nothing more; a key that
    /// was never charged can be voided. `Ok` means that the void is done and stays done.
    fn void(&self, key: PaymentId) -> BoxFuture<'_, Result<(), GatewayError>>;
}

/// Waits for the gateway's answer at most this long; then there is no verdict.
pub async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, GatewayError>>,
) -> Result<T, GatewayError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(GatewayError::TimedOut))
}

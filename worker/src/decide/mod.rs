//! What becomes of an order and its payment: pure functions over what a stage has read under its locks.
//! The stages only carry out what is decided here.

use std::time::Duration;

use ordermill_common::cancellation::Outcome as CancelOutcome;
use ordermill_common::order::{Move, Status};
use ordermill_common::payment::PaymentStatus;

mod cancel;
mod settle;
#[cfg(test)]
mod tests;

pub use cancel::cancel;
pub use settle::settle;

/// What a stage has read of an order, its payment and the wish to cancel it.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where the order stands.
    pub order: Status,
    /// Where its payment stands, if it has one.
    pub payment: Option<PaymentStatus>,
    /// Calls to the gateway that ended without a verdict so far.
    pub attempts: u32,
    /// How long ago the first of them was written down.
    pub first_silence: Option<Duration>,
    /// How old the payment is.
    pub age: Duration,
    /// Whether the payment is still held by who called: nobody has taken its lease or given it back since.
    pub held: bool,
    /// Whether a cancellation waits to be decided.
    pub cancel_asked: bool,
}

/// What the gateway was called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To charge.
    Charge,
    /// To void.
    Void,
}

impl Call {
    /// In one word, for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Void => "void",
        }
    }
}

/// How a call to the gateway ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The charge was captured.
    Captured,
    /// The charge was declined, and why.
    Declined(String),
    /// The void was confirmed.
    Voided,
    /// No verdict: what was called, and how it ended.
    NoVerdict(Call, String),
    /// Not called: its turn did not come in time.
    NotCalled,
    /// Not called: the breaker is open, and the gateway has given nobody a verdict for this long.
    Barred(Duration),
}

impl CallOutcome {
    /// The outcome in one word, for the log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Declined(_) => "declined",
            Self::Voided => "voided",
            Self::NoVerdict(..) => "no_verdict",
            Self::NotCalled => "not_called",
            Self::Barred(_) => "barred",
        }
    }
}

/// How the order moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStep {
    /// It makes this move, for this reason.
    Move(Move, Option<&'static str>),
    /// It stays; the buyer is told that the cancellation was refused.
    RefuseCancel,
}

/// How the payment changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStep {
    /// It takes this status.
    Become(PaymentStatus),
    /// It stays and sleeps this long; the lease is given back.
    Sleep(Duration),
}

/// What a stage is to write. Stock and cart follow from the order's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decision {
    /// How the order moves, if it does.
    pub order: Option<OrderStep>,
    /// How the payment changes, if it does.
    pub payment: Option<PaymentStep>,
    /// How the cancellation is decided, if one is.
    pub cancellation: Option<CancelOutcome>,
    /// Whether a call without a verdict is counted and logged.
    pub count_attempt: bool,
    /// Whether a dead letter records that the gateway gave no verdict.
    pub give_up: bool,
    /// Whether a dead letter records that the payment is still not voided, though it will be tried on.
    pub void_overdue: bool,
}

impl Decision {
    /// Whether the payment has to be voided next, by whoever decided.
    pub fn void_next(&self) -> bool {
        self.payment == Some(PaymentStep::Become(PaymentStatus::VoidDue))
    }
}

/// How long an order, a payment or a wish to cancel sleeps when a row that it needs is held by somebody else.
pub const PUT_OFF: Duration = Duration::from_secs(2);

/// How long a payment sleeps after this many calls without a verdict: half a second, doubling to 30 s.
pub fn pause(attempts: u32) -> Duration {
    Duration::from_millis(500 << attempts.min(6)).min(Duration::from_secs(30))
}

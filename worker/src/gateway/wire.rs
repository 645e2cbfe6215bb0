//! What goes over the wire between a worker and the gateway. Everything is JSON.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /v1/charges` | [`ChargeBody`] | 200 `{"verdict":"captured"}`, `{"verdict":"declined","reason":"..."}` |
//! | `POST /v1/voids` | [`VoidBody`] | 200 `{"verdict":"voided"}` |
//!
//! Any other status, and no answer at all, is no verdict.

use ordermill_common::id::PaymentId;
use ordermill_common::money::Currency;
use ordermill_common::payment::{Charge, Method};
use ordermill_common::trace::RequestId;
use serde::{Deserialize, Serialize};

/// The path of charges.
pub const CHARGES: &str = "/v1/charges";
/// The path of voids.
pub const VOIDS: &str = "/v1/voids";

/// What is to be captured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeBody {
    /// The payment: calls with the same key are one charge.
    pub key: PaymentId,
    /// Minor units.
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The token of the payment method.
    pub method: Method,
    /// The request that the order came with, for the gateway's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// What is to be undone, or never to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoidBody {
    /// The payment.
    pub key: PaymentId,
}

/// The gateway's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum VerdictBody {
    /// The money is ours.
    Captured,
    /// It will never be under this key.
    Declined {
        /// Why.
        reason: String,
    },
    /// Undone for good.
    Voided,
}

impl From<&Charge> for ChargeBody {
    fn from(charge: &Charge) -> Self {
        Self {
            key: charge.key,
            amount: charge.amount,
            currency: charge.currency,
            method: charge.method.clone(),
            request_id: charge.request.clone(),
        }
    }
}

impl From<ChargeBody> for Charge {
    fn from(body: ChargeBody) -> Self {
        Self {
            key: body.key,
            amount: body.amount,
            currency: body.currency,
            method: body.method,
            request: body.request_id,
        }
    }
}

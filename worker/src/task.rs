//! What a stage hands on: a call to the payment gateway that this worker holds the lease for.

use std::time::Duration;

use ordermill_common::id::{OrderId, OwnerId, PaymentId};
use ordermill_common::payment::store::Payment;

/// The payment to ask the gateway for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its order.
    pub order_id: OrderId,
    /// The key of the call.
    pub payment_id: PaymentId,
    /// The token of the payment method.
    pub method: String,
    /// Minor units.
    pub amount: i64,
}

impl From<&Payment> for Task {
    fn from(payment: &Payment) -> Self {
        Self {
            order_id: payment.order_id,
            payment_id: payment.id,
            method: payment.method.clone(),
            amount: payment.amount,
        }
    }
}

/// Who takes leases, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// This process.
    pub owner: OwnerId,
    /// Long enough for a permit, a call and its settlement.
    pub lease: Duration,
}

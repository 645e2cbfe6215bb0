//! What a wish to cancel means where the order and its payment stand now.

use ordermill_common::cancellation::Outcome as CancelOutcome;
use ordermill_common::order::{Applied, Move};
use ordermill_common::payment::PaymentStatus;

use super::{Decision, Facts, OrderStep, PaymentStep};

/// Decides. The call to void follows; until then the payment is due to be voided, whoever holds its lease:
/// the void makes a charge that is still under way fail or undoes it.
pub fn cancel(facts: &Facts) -> Decision {
    if !facts.cancel_asked {
        return Decision::default();
    }
    match facts.order.apply(Move::Cancel) {
        Ok(Applied::Now(_)) => Decision {
            order: Some(OrderStep::Move(Move::Cancel, None)),
            payment: facts
                .payment
                .filter(|payment| payment.must_be_voided())
                .map(|_| PaymentStep::Become(PaymentStatus::VoidDue)),
            cancellation: Some(CancelOutcome::Cancelled),
            ..Decision::default()
        },
        Ok(Applied::Before) => {
            Decision { cancellation: Some(CancelOutcome::Cancelled), ..Decision::default() }
        }
        Err(_) => Decision {
            order: Some(OrderStep::RefuseCancel),
            cancellation: Some(CancelOutcome::Refused),
            ..Decision::default()
        },
    }
}

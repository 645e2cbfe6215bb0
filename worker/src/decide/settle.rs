//! What the outcome of a call to the gateway means where the order and its payment stand now.

use std::time::Duration;

use ordermill_common::cancellation::Outcome as CancelOutcome;
use ordermill_common::order::{Move, Status};
use ordermill_common::payment::PaymentStatus;

use super::{Call, CallOutcome, Decision, Facts, OrderStep, PaymentStep, pause};

/// Calls without a verdict after which the order is given up, and its payment voided.
const MOST_ATTEMPTS: u32 = 5;
/// Calls without a verdict after which somebody is told that a payment is still not voided, once.
const VOID_OVERDUE: u32 = 20;
/// How long an order waits for a verdict, from its first call without one, before no further charge is tried.
const LONGEST_PENDING: Duration = Duration::from_secs(30);
/// The longest sleep of an order that waits for a gateway which answers nobody.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// The same of a void, which no buyer waits for.
const LONGEST_VOID_REST: Duration = Duration::from_secs(30);

/// Decides. An outcome that comes too late (the payment has ended, or is to be voided) changes nothing, and so
/// does one that is no verdict, of a caller that has lost the payment's lease or has written this outcome before:
/// somebody else asks the gateway now, or will.
pub fn settle(facts: &Facts, outcome: &CallOutcome) -> Decision {
    let is_verdict =
        matches!(outcome, CallOutcome::Captured | CallOutcome::Declined(_) | CallOutcome::Voided);
    if !facts.held && !is_verdict {
        return Decision::default();
    }
    match (facts.payment, outcome) {
        (Some(PaymentStatus::Pending), outcome) => pending(facts, outcome),
        (Some(PaymentStatus::VoidDue), CallOutcome::Voided) => Decision {
            payment: Some(PaymentStep::Become(PaymentStatus::Voided)),
            ..Decision::default()
        },
        (Some(PaymentStatus::VoidDue), CallOutcome::NoVerdict(Call::Void, _)) => Decision {
            payment: Some(PaymentStep::Sleep(pause(facts.attempts))),
            count_attempt: true,
            void_overdue: facts.attempts + 1 == VOID_OVERDUE,
            ..Decision::default()
        },
        (Some(PaymentStatus::VoidDue), CallOutcome::NotCalled | CallOutcome::Barred(_)) => {
            let sleep = rest(outcome, pause(1), LONGEST_VOID_REST);
            Decision { payment: Some(PaymentStep::Sleep(sleep)), ..Decision::default() }
        }
        _ => Decision::default(),
    }
}

fn pending(facts: &Facts, outcome: &CallOutcome) -> Decision {
    let (payment, order, give_up) = match outcome {
        CallOutcome::Captured => (PaymentStatus::Captured, (Move::Pay, None), false),
        CallOutcome::Declined(_) => {
            (PaymentStatus::Declined, (Move::FailPayment, Some("declined")), false)
        }
        CallOutcome::NoVerdict(..) | CallOutcome::NotCalled | CallOutcome::Barred(_) => {
            let attempts = facts.attempts + u32::from(called(outcome));
            let waited = waited(facts, outcome);
            if !facts.cancel_asked && attempts < MOST_ATTEMPTS && waited < LONGEST_PENDING {
                let sleep = rest(outcome, pause(facts.attempts), LONGEST_REST);
                return Decision {
                    payment: Some(PaymentStep::Sleep(sleep)),
                    count_attempt: called(outcome),
                    ..Decision::default()
                };
            }
            (PaymentStatus::VoidDue, (Move::FailPayment, Some("gateway_unavailable")), true)
        }
        CallOutcome::Voided => return Decision::default(),
    };
    let verdict = Decision {
        payment: Some(PaymentStep::Become(payment)),
        count_attempt: called(outcome),
        ..Decision::default()
    };
    if facts.order != Status::Reserved {
        return verdict;
    }
    if facts.cancel_asked {
        let declined = payment == PaymentStatus::Declined;
        let payment = if declined { payment } else { PaymentStatus::VoidDue };
        return Decision {
            order: Some(OrderStep::Move(Move::Cancel, None)),
            payment: Some(PaymentStep::Become(payment)),
            cancellation: Some(CancelOutcome::Cancelled),
            ..verdict
        };
    }
    Decision { order: Some(OrderStep::Move(order.0, order.1)), give_up, ..verdict }
}

/// How long a payment sleeps before it comes round again. While the gateway answers nobody that grows with its
/// silence, or everything unfinished would come round every second for nothing.
fn rest(outcome: &CallOutcome, least: Duration, most: Duration) -> Duration {
    match outcome {
        CallOutcome::Barred(silent) => (*silent / 4).min(most).max(least),
        _ => least,
    }
}

/// How long the gateway has kept the order waiting: since its first call without a verdict, or while it answered
/// nobody. Behind a backlog an order waits for its turn, however long that takes.
fn waited(facts: &Facts, outcome: &CallOutcome) -> Duration {
    match outcome {
        CallOutcome::NotCalled => Duration::ZERO,
        CallOutcome::Barred(silent) => facts.age.min(*silent),
        _ => facts.first_silence.unwrap_or_default(),
    }
}

fn called(outcome: &CallOutcome) -> bool {
    matches!(outcome, CallOutcome::NoVerdict(..))
}

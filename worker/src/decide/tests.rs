//! The decisions, over every combination of what a stage can read.

use std::time::Duration;

use ordermill_common::cancellation::Outcome as CancelOutcome;
use ordermill_common::order::{Applied, Move, Status};
use ordermill_common::payment::PaymentStatus;

use super::{Call, CallOutcome, Decision, Facts, OrderStep, PaymentStep, cancel, pause, settle};

fn facts(order: Status, payment: PaymentStatus) -> Facts {
    Facts {
        order,
        payment: Some(payment),
        attempts: 0,
        first_silence: None,
        age: Duration::ZERO,
        held: true,
        cancel_asked: false,
    }
}

#[test]
fn the_log_names_a_call_by_what_it_asked_for() {
    assert_eq!([Call::Charge, Call::Void].map(Call::as_str), ["charge", "void"]);
}

fn outcomes() -> Vec<CallOutcome> {
    vec![
        CallOutcome::Captured,
        CallOutcome::Declined("card_declined".to_owned()),
        CallOutcome::Voided,
        CallOutcome::NoVerdict(Call::Charge, "timed out".to_owned()),
        CallOutcome::NoVerdict(Call::Void, "timed out".to_owned()),
        CallOutcome::NotCalled,
        CallOutcome::Barred(Duration::from_secs(1)),
        CallOutcome::Barred(Duration::from_mins(1)),
    ]
}

fn every_case() -> Vec<(Facts, CallOutcome)> {
    let mut cases = Vec::new();
    for order in Status::ALL {
        for payment in PaymentStatus::ALL {
            for (attempts, first_silence) in
                [(0, None), (4, Some(10)), (5, Some(10)), (1, Some(31))]
            {
                for cancel_asked in [false, true] {
                    for outcome in outcomes() {
                        let facts = Facts {
                            attempts,
                            first_silence: first_silence.map(Duration::from_secs),
                            age: Duration::from_secs(31),
                            cancel_asked,
                            ..facts(order, payment)
                        };
                        cases.push((facts, outcome));
                    }
                }
            }
        }
    }
    cases
}

fn is_of_a_charge(outcome: &CallOutcome) -> bool {
    matches!(
        outcome,
        CallOutcome::Captured | CallOutcome::Declined(_) | CallOutcome::NoVerdict(Call::Charge, _)
    )
}

#[test]
fn no_decision_asks_for_an_illegal_move() {
    for (facts, outcome) in every_case() {
        for decision in [settle(&facts, &outcome), cancel(&facts)] {
            if let Some(OrderStep::Move(step, _)) = decision.order {
                assert!(
                    matches!(facts.order.apply(step), Ok(Applied::Now(_))),
                    "{facts:?} {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn only_a_verdict_or_a_confirmed_void_ends_a_payment() {
    for (facts, outcome) in every_case() {
        let Some(PaymentStep::Become(status)) = settle(&facts, &outcome).payment else { continue };
        match status {
            PaymentStatus::Captured => assert_eq!(outcome, CallOutcome::Captured),
            PaymentStatus::Declined => assert!(matches!(outcome, CallOutcome::Declined(_))),
            PaymentStatus::Voided => assert_eq!(outcome, CallOutcome::Voided),
            PaymentStatus::VoidDue => assert_eq!(facts.payment, Some(PaymentStatus::Pending)),
            PaymentStatus::Pending => panic!("a payment became pending: {facts:?} {outcome:?}"),
        }
    }
}

#[test]
fn an_ended_payment_never_changes_again_and_an_unfinished_one_always_has_a_next_step() {
    for (facts, outcome) in every_case() {
        let decision = settle(&facts, &outcome);
        let payment = facts.payment.unwrap();
        if !payment.is_unfinished() {
            assert_eq!(decision, Decision::default(), "{facts:?} {outcome:?}");
        }
        let late = payment == PaymentStatus::VoidDue && is_of_a_charge(&outcome);
        let impossible = payment == PaymentStatus::Pending && outcome == CallOutcome::Voided;
        if payment.is_unfinished() && !late && !impossible {
            assert!(decision.payment.is_some(), "{facts:?} {outcome:?}");
        }
    }
}

#[test]
fn a_charge_without_a_verdict_is_tried_again_and_then_given_up_and_voided() {
    let no_verdict = CallOutcome::NoVerdict(Call::Charge, "timed out".to_owned());
    let mut facts = facts(Status::Reserved, PaymentStatus::Pending);
    for attempts in 0..4 {
        facts.attempts = attempts;
        let decision = settle(&facts, &no_verdict);
        assert_eq!(decision.payment, Some(PaymentStep::Sleep(pause(attempts))));
        assert_eq!(decision.order, None);
    }
    facts.attempts = 4;
    let decision = settle(&facts, &no_verdict);
    assert!(decision.void_next() && decision.give_up);
    let failed = OrderStep::Move(Move::FailPayment, Some("gateway_unavailable"));
    assert_eq!(decision.order, Some(failed));
}

#[test]
fn a_void_that_fails_again_and_again_is_told_of_once_and_goes_on() {
    let no_verdict = CallOutcome::NoVerdict(Call::Void, "timed out".to_owned());
    let mut told = Vec::new();
    for attempts in 0..50 {
        let facts = Facts { attempts, ..facts(Status::Cancelled, PaymentStatus::VoidDue) };
        let decision = settle(&facts, &no_verdict);
        assert_eq!(decision.payment, Some(PaymentStep::Sleep(pause(attempts))));
        assert!(!settle(&facts, &CallOutcome::NotCalled).void_overdue, "nothing failed");
        told.extend(decision.void_overdue.then_some(attempts + 1));
    }
    assert_eq!(told, [20]);
}

#[test]
fn calls_without_a_verdict_are_counted_and_nothing_else_is() {
    for (facts, outcome) in every_case() {
        let payment = facts.payment.unwrap();
        let late = payment == PaymentStatus::VoidDue && is_of_a_charge(&outcome);
        let silent = matches!(outcome, CallOutcome::NoVerdict(..));
        let counted = settle(&facts, &outcome).count_attempt;
        assert_eq!(counted, payment.is_unfinished() && silent && !late, "{facts:?} {outcome:?}");
    }
}

#[test]
fn a_payment_that_the_gateway_was_asked_for_is_tried_for_less_than_half_a_minute() {
    let silence = CallOutcome::NoVerdict(Call::Charge, String::new());
    let asked = Facts { attempts: 1, ..facts(Status::Reserved, PaymentStatus::Pending) };
    for (since, ends) in [(29_999, false), (30_000, true)] {
        let facts = Facts { first_silence: Some(Duration::from_millis(since)), ..asked };
        assert_eq!(settle(&facts, &silence).give_up, ends);
    }
}

#[test]
fn an_order_waits_for_its_turn_however_long_that_takes() {
    let hours = Duration::from_hours(5);
    let new = Facts { age: hours, ..facts(Status::Reserved, PaymentStatus::Pending) };
    let asked = Facts { attempts: 1, first_silence: Some(hours), ..new };
    let silence = CallOutcome::NoVerdict(Call::Charge, String::new());
    for (facts, outcome) in [
        (new, CallOutcome::NotCalled),
        (asked, CallOutcome::NotCalled),
        (asked, CallOutcome::Barred(Duration::from_secs(1))),
        (new, silence),
    ] {
        let decision = settle(&facts, &outcome);
        let sleep = PaymentStep::Sleep(pause(facts.attempts));
        assert_eq!(decision.payment, Some(sleep), "{facts:?} {outcome:?}");
        assert_eq!((decision.order, decision.give_up), (None, false));
    }
}

#[test]
fn whoever_lost_the_lease_changes_something_only_with_a_verdict() {
    for (held, outcome) in every_case() {
        let lost = Facts { held: false, ..held };
        let is_verdict = matches!(
            outcome,
            CallOutcome::Captured | CallOutcome::Declined(_) | CallOutcome::Voided
        );
        let expected = if is_verdict { settle(&held, &outcome) } else { Decision::default() };
        assert_eq!(settle(&lost, &outcome), expected, "{lost:?} {outcome:?}");
    }
}

#[test]
fn an_order_that_the_gateway_was_never_asked_for_ends_when_it_answered_nobody_for_half_a_minute() {
    let (short, long) = (Duration::from_millis(29_999), Duration::from_secs(30));
    for (age, silent, ends) in [(long, short, false), (short, long, false), (long, long, true)] {
        let facts = Facts { age, ..facts(Status::Reserved, PaymentStatus::Pending) };
        let decision = settle(&facts, &CallOutcome::Barred(silent));
        assert_eq!((decision.give_up, decision.void_next()), (ends, ends), "{age:?} {silent:?}");
    }
}

#[test]
fn what_a_silent_gateway_keeps_waiting_comes_round_less_and_less_often() {
    let sleeps = |order, payment| {
        [0, 8, 29, 60, 3600].map(|silent| {
            let barred = CallOutcome::Barred(Duration::from_secs(silent));
            match settle(&facts(order, payment), &barred).payment {
                Some(PaymentStep::Sleep(sleep)) => sleep.as_millis(),
                other => panic!("{other:?}"),
            }
        })
    };
    // A payment that is as young as its creation is never given up here.
    let pending = sleeps(Status::Reserved, PaymentStatus::Pending);
    assert_eq!(pending, [500, 2_000, 7_250, 10_000, 10_000]);
    let void_due = sleeps(Status::PaymentFailed, PaymentStatus::VoidDue);
    assert_eq!(void_due, [1_000, 2_000, 7_250, 15_000, 30_000]);
}

#[test]
fn a_capture_of_an_order_that_was_to_be_cancelled_cancels_and_voids_it() {
    let asked = Facts { cancel_asked: true, ..facts(Status::Reserved, PaymentStatus::Pending) };
    let decision = settle(&asked, &CallOutcome::Captured);
    assert_eq!(decision.order, Some(OrderStep::Move(Move::Cancel, None)));
    assert_eq!(decision.cancellation, Some(CancelOutcome::Cancelled));
    assert!(decision.void_next());
    let declined = settle(&asked, &CallOutcome::Declined("no".to_owned()));
    assert_eq!(declined.payment, Some(PaymentStep::Become(PaymentStatus::Declined)));
    assert_eq!(declined.order, Some(OrderStep::Move(Move::Cancel, None)));
}

#[test]
fn a_cancellation_is_decided_exactly_when_it_was_asked_for() {
    for order in Status::ALL {
        for payment in PaymentStatus::ALL {
            let asked = Facts { cancel_asked: true, ..facts(order, payment) };
            let decided = cancel(&asked).cancellation;
            let expected = match order.apply(Move::Cancel) {
                Ok(_) => CancelOutcome::Cancelled,
                Err(_) => CancelOutcome::Refused,
            };
            assert_eq!(decided, Some(expected));
            assert_eq!(cancel(&facts(order, payment)), Decision::default());
        }
    }
}

#[test]
fn cancelling_moves_the_order_and_undoes_what_was_or_may_be_taken() {
    for order in Status::ALL {
        for payment in PaymentStatus::ALL {
            let decision = cancel(&Facts { cancel_asked: true, ..facts(order, payment) });
            let moves = order.may(Move::Cancel);
            let refused = order.apply(Move::Cancel).is_err();
            let step = match (moves, refused) {
                (true, _) => Some(OrderStep::Move(Move::Cancel, None)),
                (_, true) => Some(OrderStep::RefuseCancel),
                _ => None,
            };
            assert_eq!(decision.order, step, "{order}");
            let undone = moves && payment.must_be_voided();
            let due = undone.then_some(PaymentStep::Become(PaymentStatus::VoidDue));
            assert_eq!(decision.payment, due, "{order} {payment}");
            assert_eq!(decision.void_next(), undone, "{order} {payment}");
        }
    }
}

#[test]
fn pauses_double_from_half_a_second_to_half_a_minute() {
    let pauses: Vec<_> = (0..9).map(|attempts| pause(attempts).as_millis()).collect();
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
}

#[test]
fn the_log_names_each_outcome() {
    let names: Vec<_> = outcomes().iter().map(CallOutcome::as_str).collect();
    assert_eq!(
        names,
        [
            "captured",
            "declined",
            "voided",
            "no_verdict",
            "no_verdict",
            "not_called",
            "barred",
            "barred"
        ]
    );
}

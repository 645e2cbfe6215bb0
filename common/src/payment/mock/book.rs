//! What the mock knows about each key, and how it decides. Pure: the same lines and calls give the same
//! answers in every process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Line, Op, Outcome};
use crate::id::PaymentId;
use crate::payment::Method;
use crate::payment::gateway::{Charge, VOIDED, Verdict};

/// One call to decide.
#[derive(Debug)]
pub(super) enum Call {
    Charge { charge: Charge, waited: bool },
    Void { key: PaymentId },
}

/// What the caller is told or made to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Also of a void, which has nothing else to say.
    Verdict(Verdict),
    /// Ask again with `waited` after this long.
    Wait(Duration),
    Silence,
    Unavailable,
}

/// A decision: what the line says, and what the caller is told.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) replayed: bool,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone)]
enum Entry {
    /// Was unavailable; works from now on.
    FailedOnce,
    Captured,
    Declined(Arc<str>),
    Voided,
}

/// Every key that something was decided for.
#[derive(Debug, Default)]
pub(super) struct Book(HashMap<PaymentId, Entry>);

impl Book {
    /// Decides the call; nothing changes until its line is noted.
    pub(super) fn decide(&self, call: &Call) -> Decision {
        match call {
            Call::Void { key } => {
                let replayed = matches!(self.0.get(key), Some(Entry::Voided));
                let answer = Answer::Verdict(Verdict::Declined(VOIDED.to_owned()));
                Decision { outcome: Outcome::Voided, reason: None, replayed, answer }
            }
            Call::Charge { charge, waited } => match self.0.get(&charge.key) {
                Some(Entry::Captured) => captured(true),
                Some(Entry::Declined(reason)) => declined(reason, true),
                Some(Entry::Voided) => declined(VOIDED, true),
                failed @ (Some(Entry::FailedOnce) | None) => {
                    by_token(&charge.method, *waited, failed.is_some())
                }
            },
        }
    }

    /// Takes in what a line says, whoever wrote it.
    pub(super) fn note(&mut self, line: &Line) {
        if line.replayed {
            return;
        }
        let entry = match (line.op, line.outcome) {
            (_, Outcome::Captured) => Entry::Captured,
            (_, Outcome::Declined) => Entry::Declined(line.reason.as_deref().unwrap_or("").into()),
            (_, Outcome::Voided) => Entry::Voided,
            (Op::Charge, Outcome::Unavailable) => Entry::FailedOnce,
            _ => return,
        };
        self.0.insert(line.key, entry);
    }
}

fn by_token(method: &Method, waited: bool, failed: bool) -> Decision {
    match method {
        Method::Slow(ms) if !waited => no_verdict(Outcome::Waiting, Answer::Wait(ms.wait())),
        Method::Approve | Method::Slow(_) => captured(false),
        Method::Decline(reason) => declined(reason.as_str(), false),
        Method::Timeout => no_verdict(Outcome::TimedOut, Answer::Silence),
        Method::TimeoutAfterCharge => Decision { answer: Answer::Silence, ..captured(false) },
        Method::FailOnce if failed => captured(false),
        Method::FailOnce => no_verdict(Outcome::Unavailable, Answer::Unavailable),
    }
}

fn captured(replayed: bool) -> Decision {
    let answer = Answer::Verdict(Verdict::Captured);
    Decision { outcome: Outcome::Captured, reason: None, replayed, answer }
}

fn declined(reason: &str, replayed: bool) -> Decision {
    let answer = Answer::Verdict(Verdict::Declined(reason.to_owned()));
    Decision { outcome: Outcome::Declined, reason: Some(reason.to_owned()), replayed, answer }
}

fn no_verdict(outcome: Outcome, answer: Answer) -> Decision {
    Decision { outcome, reason: None, replayed: false, answer }
}

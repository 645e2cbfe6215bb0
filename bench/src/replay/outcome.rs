//! What became of each invoice. Every one has exactly one outcome, so that the table adds up.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::shop::Order;
use crate::times::Times;

const FAULTS_SHOWN: usize = 20;

/// What became of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// None of its rows can be sold.
    NothingToSell,
    /// The shop refused a line, with this code; there was no checkout.
    RefusedAtCart(String),
    /// The checkout was sent and refused with this code.
    RefusedAtCheckout(String),
    /// The checkout was sent, and nobody knows what became of it.
    Unanswered,
    /// The checkout was accepted as the order with this id.
    Accepted(String),
    /// A `C` invoice, and how it ended.
    Returned(ReturnEnd),
}

/// How a `C` invoice ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnEnd {
    /// Its whole order is cancelled.
    Cancelled,
    /// The shop did not cancel the order: why.
    Refused(String),
    /// The order had not been sent, or had not come to a sale: why.
    NoOrder(String),
    /// Equals an order that was cancelled before.
    Repeated,
    /// Part of an earlier order.
    Part,
    /// Matches no earlier order.
    Unmatched,
    /// It says no customer.
    NoCustomer,
    /// Nobody knows what became of the request.
    Unanswered,
}

impl ReturnEnd {
    /// As the table calls it.
    pub fn label(&self) -> String {
        match self {
            Self::Cancelled => "order cancelled".into(),
            Self::Refused(why) => format!("whole order, not cancelled: {why}"),
            Self::NoOrder(why) => format!("whole order, but it was {why}"),
            Self::Repeated => "whole order, cancelled before".into(),
            Self::Part => "part of an earlier order".into(),
            Self::Unmatched => "no earlier order matches".into(),
            Self::NoCustomer => "no customer".into(),
            Self::Unanswered => "UNANSWERED".into(),
        }
    }
}

/// The outcomes so far, and what else is counted on the way.
#[derive(Debug)]
pub struct Outcomes {
    of: Mutex<Vec<Option<Outcome>>>,
    to_paid: Mutex<Times>,
    faults: Mutex<Vec<String>>,
    ends: Mutex<BTreeMap<String, u64>>,
    done: AtomicU64,
    accepted: AtomicU64,
}

impl Outcomes {
    /// None known yet.
    pub fn new(invoices: usize) -> Self {
        Self {
            of: Mutex::new(vec![None; invoices]),
            to_paid: Mutex::default(),
            faults: Mutex::default(),
            ends: Mutex::default(),
            done: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        }
    }

    /// Notes the outcome of the invoice at this place.
    pub fn note(&self, place: usize, outcome: Outcome) {
        if matches!(outcome, Outcome::Accepted(_)) {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        held(&self.of)[place] = Some(outcome);
    }

    /// The outcome of the invoice at this place, if it has one yet.
    pub fn of(&self, place: usize) -> Option<Outcome> {
        held(&self.of)[place].clone()
    }

    /// All of them, by place.
    pub fn all(&self) -> Vec<Option<Outcome>> {
        held(&self.of).clone()
    }

    /// Notes an order that has ended, once.
    pub fn ended(&self, order: &Order) {
        *held(&self.ends).entry(order.status.clone()).or_default() += 1;
        if let Some(seconds) = order.time_to_paid() {
            held(&self.to_paid).add(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
    }

    /// The times from accept to paid.
    pub fn times_to_paid(&self) -> Times {
        held(&self.to_paid).clone()
    }

    /// Notes what must not happen.
    pub fn fault(&self, text: String) {
        let mut faults = held(&self.faults);
        if faults.len() < FAULTS_SHOWN {
            crate::live::note(&format!("✗ {text}"));
        }
        faults.push(text);
    }

    /// What must not have happened.
    pub fn faults(&self) -> Vec<String> {
        held(&self.faults).clone()
    }

    /// For the live line: how many invoices are done, how many orders accepted, and how they ended.
    pub fn line(&self) -> String {
        let ends: Vec<_> =
            held(&self.ends).iter().map(|(status, count)| format!("{count} {status}")).collect();
        let accepted = self.accepted.load(Ordering::Relaxed);
        let done = self.done.load(Ordering::Relaxed);
        format!("{done} invoices done, {accepted} accepted, {}", ends.join(", "))
    }
}

fn held<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().expect("nobody panics with the outcomes in hand")
}

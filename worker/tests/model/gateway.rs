//! The payment gateway as it sees itself: idempotent by key, with a ledger of what moved money.

use std::collections::BTreeMap;

use ordermill_common::id::PaymentId;
use ordermill_worker::decide::CallOutcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Charge,
    Void,
}

/// What was done under one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) captures: u32,
    pub(crate) declined: bool,
    pub(crate) voided: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Gateway(BTreeMap<PaymentId, Account>);

impl Gateway {
    pub(crate) fn account(&self, key: PaymentId) -> Account {
        self.0.get(&key).copied().unwrap_or_default()
    }

    /// Does what is asked, once a key, and answers as it did the first time.
    pub(crate) fn answer(&mut self, op: Op, key: PaymentId, declines: bool) -> CallOutcome {
        let account = self.0.entry(key).or_default();
        match op {
            Op::Void => {
                account.voided = true;
                CallOutcome::Voided
            }
            Op::Charge if account.voided => CallOutcome::Declined("voided".to_owned()),
            Op::Charge if declines => {
                account.declined = true;
                CallOutcome::Declined("card_declined".to_owned())
            }
            Op::Charge => {
                account.captures = account.captures.max(1);
                CallOutcome::Captured
            }
        }
    }
}

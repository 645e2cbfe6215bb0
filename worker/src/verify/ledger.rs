//! Compares the gateway's ledger with the payments: is the money where the database says it is?
//!
//! The ledger goes on while the database stands still in its snapshot. So it is read twice: what the
//! database claims must be in the later reading, and what the ledger undid must be told by the database
//! when it was in the earlier one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use ordermill_common::id::PaymentId;
use ordermill_common::payment::PaymentStatus;
use ordermill_common::payment::mock::ledger::{Account, read as read_ledger};

use super::VerifyError;
use super::invariant::Kind;
use super::report::Finding;
use super::store::{Snapshot, StoredPayment};

type Accounts = HashMap<PaymentId, Account>;

/// Reads the ledger, off the async threads; `None` when there is none.
pub(super) async fn read(path: Option<&Path>) -> Result<Option<Accounts>, VerifyError> {
    let Some(path) = path.map(Path::to_path_buf) else { return Ok(None) };
    let name = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || read_ledger(&path));
    match reading.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(accounts) => Ok(Some(accounts)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VerifyError::Ledger { path: name, source }),
    }
}

/// There are payments, but no ledger where it should be.
pub(super) fn missing(path: &Path) -> VerifyError {
    VerifyError::Ledger { path: path.display().to_string(), source: io::ErrorKind::NotFound.into() }
}

/// Answers three findings: double captures, keys that are no payments, payments that the ledger denies.
pub(super) async fn compare(
    database: &mut Snapshot,
    before: &Accounts,
    after: &Accounts,
) -> Result<[Finding; 3], VerifyError> {
    let mut twice = Finding::new(
        "ledger_captures_once",
        "The gateway captured no payment twice, and none after its void.",
    );
    let mut unknown = Finding::new(
        "ledger_knows_payments",
        "Every key that the gateway was called with is a payment.",
    );
    let mut denied = Finding::new(
        "ledger_agrees",
        "The gateway holds the money of captured payments, and of no declined or voided one.",
    );
    for (key, account) in after {
        if account.captured > 1 || account.captured_after_void {
            let detail = format!("captured {} times", account.captured);
            twice.offend(Kind::Payment, key.uuid(), Some(&detail));
        }
    }
    let mut unseen: HashSet<PaymentId> = before.keys().copied().collect();
    let mut last = PaymentId::from_uuid(sqlx::types::Uuid::nil());
    loop {
        let page = database.payments_after(last).await?;
        let Some(end) = page.last() else { break };
        last = end.id;
        for payment in &page {
            unseen.remove(&payment.id);
            if let Some(detail) =
                disagreement(payment, before.get(&payment.id), after.get(&payment.id))
            {
                denied.offend(Kind::Payment, payment.id.uuid(), Some(&detail));
            }
        }
    }
    for key in unseen {
        unknown.offend(Kind::Payment, key.uuid(), None);
    }
    Ok([twice, unknown, denied])
}

fn disagreement(
    payment: &StoredPayment,
    before: Option<&Account>,
    after: Option<&Account>,
) -> Option<String> {
    let (before, after) = (before.copied().unwrap_or_default(), after.copied().unwrap_or_default());
    let wrong = match payment.status {
        PaymentStatus::Captured => {
            if after.captured == 0 {
                "never captured"
            } else if before.voided > 0 {
                "voided"
            } else if after.amount != payment.amount {
                "captured with another amount"
            } else {
                return None;
            }
        }
        PaymentStatus::Declined if after.captured > 0 => "captured",
        // A method that is not known is declined without a call.
        PaymentStatus::Declined if after.calls > 0 && after.declined == 0 => "never declined",
        PaymentStatus::Voided if after.voided == 0 => "never voided",
        PaymentStatus::Voided if after.holds_money() => "captured after the void",
        PaymentStatus::Pending if before.voided > 0 => "voided",
        _ => return None,
    };
    Some(format!("{} here, {wrong} there", payment.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: PaymentStatus, before: Account, after: Account) -> Option<String> {
        let payment = StoredPayment { id: PaymentId::mint(), status, amount: 10 };
        disagreement(&payment, Some(&before), Some(&after))
    }

    #[test]
    fn what_happens_after_the_snapshot_is_no_disagreement() {
        let nothing = Account::default();
        let captured = Account { captured: 1, amount: 10, ..nothing };
        let voided = Account { voided: 1, ..captured };
        assert_eq!(told(PaymentStatus::Captured, nothing, captured), None);
        assert_eq!(told(PaymentStatus::Captured, captured, voided), None);
        assert_eq!(told(PaymentStatus::Pending, nothing, voided), None);
        assert_eq!(told(PaymentStatus::Declined, nothing, nothing), None);
        assert_eq!(told(PaymentStatus::VoidDue, captured, voided), None);
        assert_eq!(told(PaymentStatus::Voided, captured, voided), None);
    }

    #[test]
    fn money_in_the_wrong_place_is_told() {
        let nothing = Account::default();
        let captured = Account { captured: 1, amount: 10, ..nothing };
        let voided = Account { voided: 1, ..captured };
        for (status, before, after) in [
            (PaymentStatus::Captured, nothing, nothing),
            (PaymentStatus::Captured, voided, voided),
            (PaymentStatus::Captured, nothing, Account { amount: 11, ..captured }),
            (PaymentStatus::Declined, nothing, captured),
            (PaymentStatus::Declined, nothing, Account { calls: 1, ..nothing }),
            (PaymentStatus::Voided, captured, captured),
            (PaymentStatus::Voided, voided, Account { captured_after_void: true, ..voided }),
            (PaymentStatus::Pending, voided, voided),
        ] {
            assert!(told(status, before, after).is_some(), "{status} {after:?}");
        }
    }
}

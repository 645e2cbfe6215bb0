//! What the gateway did, from its own ledger, against how the orders ended.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::store::Row;

#[derive(Deserialize)]
struct Line {
    key: String,
    outcome: String,
    #[serde(default)]
    replayed: bool,
}

/// What was done with one key.
#[derive(Debug, Default)]
struct Deeds {
    captures: u32,
    is_voided: bool,
}

/// Each payment was captured at most once, is kept exactly when its order is bought, and is given back
/// otherwise; no key is charged that is nobody's.
pub(super) fn check(ledger: &Path, rows: &[Row], violations: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(ledger).context("cannot read the gateway's ledger")?;
    let mut deeds = HashMap::<String, Deeds>::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).context("a line of the gateway's ledger")?;
        let deed = deeds.entry(line.key).or_default();
        match line.outcome.as_str() {
            "captured" if !line.replayed => deed.captures += 1,
            "voided" => deed.is_voided = true,
            _ => {}
        }
    }
    for row in rows {
        let Some(payment) = row.payment_id else { continue };
        let deed = deeds.remove(&payment.to_string()).unwrap_or_default();
        if deed.captures > 1 {
            violations.push(format!("{} was charged {} times", row.order_id, deed.captures));
        }
        let is_bought =
            matches!(row.status.as_deref(), Some("paid" | "packed" | "shipped" | "delivered"));
        let is_kept = deed.captures > 0 && !deed.is_voided;
        if is_bought != is_kept {
            violations.push(format!("{} is {:?}, its payment {deed:?}", row.order_id, row.status));
        }
    }
    violations.extend(deeds.keys().map(|key| format!("{key} was charged and is nobody's")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use ordermill_common::id::{OrderId, PaymentId};

    use super::*;

    fn found(status: &str, outcomes: &[(&str, bool)]) -> usize {
        let payment = PaymentId::mint();
        let line = |(outcome, replayed): &(&str, bool)| {
            format!("{{\"key\":\"{payment}\",\"outcome\":\"{outcome}\",\"replayed\":{replayed}}}\n")
        };
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger");
        fs::write(&ledger, outcomes.iter().map(line).collect::<String>()).unwrap();
        let row = Row {
            order_id: OrderId::mint(),
            email: String::new(),
            idempotency_key: String::new(),
            lines: "[]".to_owned(),
            status: Some(status.to_owned()),
            reason: None,
            payment_id: Some(payment),
        };
        let mut violations = Vec::new();
        check(&ledger, &[row], &mut violations).unwrap();
        violations.len()
    }

    #[test]
    fn money_is_kept_exactly_for_what_is_bought() {
        assert_eq!(found("paid", &[("captured", false), ("captured", true)]), 0);
        assert_eq!(found("cancelled", &[("captured", false), ("voided", false)]), 0);
        assert_eq!(found("payment_failed", &[("declined", false)]), 0);
        assert_eq!(found("paid", &[]), 1);
        assert_eq!(found("paid", &[("captured", false), ("captured", false)]), 1);
        assert_eq!(found("cancelled", &[("captured", false)]), 1);
        assert_eq!(found("delivered", &[("captured", false), ("voided", false)]), 1);
    }
}

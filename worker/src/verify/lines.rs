//! Compares each checkout's snapshot with itself and with its order's lines, a page at a time. Here and not
//! in SQL, because the two servers read a text's JSON differently.

use ordermill_common::checkout::{SnapshotLine, snapshot};
use sqlx::types::Uuid;

use super::VerifyError;
use super::invariant::Kind;
use super::report::Finding;
use super::store::{OrderLine, Snapshot, StoredSnapshot};

/// Answers two findings: snapshots that do not add up, and orders whose lines are not their snapshot.
pub(super) async fn compare(database: &mut Snapshot) -> Result<[Finding; 2], VerifyError> {
    let mut totals = Finding::new(
        "snapshot_adds_up",
        "A checkout's snapshot can be read and its lines add up to the checkout's total.",
    );
    let mut lines = Finding::new(
        "lines_match_snapshot",
        "An order's lines are the lines of its checkout's snapshot.",
    );
    let mut after = Uuid::nil();
    loop {
        let page = database.snapshots_after(after).await?;
        let Some(last) = page.last().map(|stored| stored.order_id) else { break };
        let stored_lines = database.lines_between(after, last).await?;
        let mut rest = stored_lines.as_slice();
        for stored in &page {
            let skipped = rest.partition_point(|line| line.order_id < stored.order_id);
            let own = rest[skipped..].partition_point(|line| line.order_id == stored.order_id);
            check(stored, &rest[skipped..skipped + own], &mut totals, &mut lines);
            rest = &rest[skipped + own..];
        }
        after = last;
    }
    Ok([totals, lines])
}

fn check(stored: &StoredSnapshot, own: &[OrderLine], totals: &mut Finding, lines: &mut Finding) {
    // An order that could not be handled at all may have been rejected because of its snapshot.
    if stored.given_up {
        return;
    }
    let mut wanted = match snapshot::read(&stored.lines) {
        Ok(wanted) => wanted,
        Err(error) => return totals.offend(Kind::Order, stored.order_id, Some(&error.to_string())),
    };
    let sum = snapshot::total(&wanted);
    if sum != Some(stored.total) {
        let sum = sum.map_or("too much".to_owned(), |sum| sum.to_string());
        let detail = format!("total {}, its lines {sum}", stored.total);
        totals.offend(Kind::Order, stored.order_id, Some(&detail));
    }
    if stored.has_order {
        wanted.sort_by_key(|line| line.product_id);
        if !same(&wanted, own) {
            let detail = format!("{} lines of a snapshot of {}", own.len(), wanted.len());
            lines.offend(Kind::Order, stored.order_id, Some(&detail));
        }
    }
}

fn same(wanted: &[SnapshotLine], own: &[OrderLine]) -> bool {
    wanted.len() == own.len()
        && wanted.iter().zip(own).all(|(wanted, own)| {
            wanted.product_id == own.product_id
                && wanted.sku == own.sku
                && wanted.name == own.name
                && i64::from(wanted.quantity) == i64::from(own.quantity)
                && wanted.price == own.price
        })
}

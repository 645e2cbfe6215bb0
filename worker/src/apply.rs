//! Writes what was decided for orders that the stage has locked: orders, payments, stock, carts, in the
//! lock order. Stock that comes back and lines that return to the cart follow from where the order moved.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use ordermill_common::cancellation::{self, Cancellation};
use ordermill_common::cart;
use ordermill_common::checkout::SnapshotLine;
use ordermill_common::db::batch::Locks;
use ordermill_common::db::{Error, Result, Tx};
use ordermill_common::id::OrderId;
use ordermill_common::order::store::{Change, OrderRow};
use ordermill_common::order::{self, Applied, Status};
use ordermill_common::payment::store::{Payment, PaymentChange};
use ordermill_common::payment::{self, PaymentStatus};
use ordermill_common::stock;

use crate::decide::{CallOutcome, Decision, OrderStep, PaymentStep};
use crate::task::Holder;

/// Failures to write a verdict, half a minute together with their pauses, after which the lines of an order that
/// ends do not go back into the cart: that may be what fails, and the end of the order is worth more.
pub(crate) const TRIED_WITH_CART: u32 = 5;

/// An order as a stage found it, and what is to be written of it.
#[derive(Debug)]
pub struct Case<'a> {
    /// The order, locked.
    pub order: OrderRow,
    /// Its payment.
    pub payment: Option<&'a Payment>,
    /// The wish to cancel it.
    pub cancellation: Option<&'a Cancellation>,
    /// The call that led here, if one did.
    pub outcome: Option<&'a CallOutcome>,
    /// What was decided.
    pub decision: Decision,
}

impl Case<'_> {
    /// Where the order stands afterwards.
    pub fn status_after(&self) -> Result<Status> {
        match self.decision.order {
            Some(OrderStep::Move(step, _)) => match self.order.status.apply(step) {
                Ok(Applied::Now(to)) => Ok(to),
                _ => Err(Error::Impossible(format!(
                    "{step:?} of an order that is {}",
                    self.order.status
                ))),
            },
            Some(OrderStep::RefuseCancel) | None => Ok(self.order.status),
        }
    }

    /// Whether the order gives its stock back: it held some, and does so no more.
    pub fn releases(&self) -> Result<bool> {
        Ok(self.order.status.holds_stock() && !self.status_after()?.holds_stock())
    }

    /// Whether its lines go back into the cart with that.
    fn returns_lines(&self) -> Result<bool> {
        let failures = self.payment.map_or(0, |payment| payment.failures);
        Ok(failures < TRIED_WITH_CART
            && self.releases()?
            && self.status_after()? == Status::PaymentFailed)
    }
}

/// Locks the payments of the locked orders. With [`Locks::Skip`] an order whose payment somebody else has
/// locked is taken out: it can be put off, and nothing is to be decided of it.
pub async fn lock_payments(
    tx: &mut Tx<'_>,
    orders: &mut Vec<OrderRow>,
    locks: Locks,
) -> Result<Vec<Payment>> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    let locked = payment::store::lock(tx, &ids, locks).await?;
    if locks == Locks::Skip {
        let free: BTreeSet<OrderId> = locked.iter().map(|payment| payment.order_id).collect();
        let there = payment::store::of_orders(tx, &ids).await?;
        let held: BTreeSet<OrderId> = there.iter().map(|payment| payment.order_id).collect();
        orders.retain(|order| free.contains(&order.id) || !held.contains(&order.id));
    }
    Ok(locked)
}

/// Writes the cases and answers those that were put off because a row that they need is held by somebody
/// else (with [`Locks::Skip`] only); nothing of them is written.
pub async fn apply(
    tx: &mut Tx<'_>,
    holder: Holder,
    cases: &[Case<'_>],
    at: DateTime<Utc>,
    locks: Locks,
) -> Result<BTreeSet<OrderId>> {
    let lines = lines_to_release(tx, cases).await?;
    let products = lines.values().flatten().map(|line| line.product_id).collect();
    let shelves = stock::store::lock(tx, &products, locks).await?;
    let mut put_off: BTreeSet<OrderId> = lines
        .iter()
        .filter(|(_, lines)| lines.iter().any(|line| !shelves.contains_key(&line.product_id)))
        .map(|(order, _)| *order)
        .collect();
    if locks == Locks::Wait && !put_off.is_empty() {
        return Err(Error::Impossible("an order's line without a row of stock".to_owned()));
    }
    if locks == Locks::Skip {
        put_off.extend(without_a_free_cart(tx, cases).await?);
    }
    let cases: Vec<&Case<'_>> =
        cases.iter().filter(|case| !put_off.contains(&case.order.id)).collect();
    write_orders(tx, &cases, at).await?;
    write_payments(tx, holder, &cases).await?;
    release(tx, &cases, &lines).await?;
    let decided: Vec<_> = cases
        .iter()
        .filter_map(|case| case.decision.cancellation.map(|outcome| (case.order.id, outcome)))
        .collect();
    if !decided.is_empty() {
        cancellation::store::decide(tx, &decided).await?;
    }
    Ok(put_off)
}

/// Orders whose lines would go back into a cart that somebody else holds.
async fn without_a_free_cart(tx: &mut Tx<'_>, cases: &[Case<'_>]) -> Result<Vec<OrderId>> {
    let mut returning = Vec::new();
    for case in cases {
        if case.returns_lines()? {
            returning.push((case.order.id, case.order.user_id));
        }
    }
    let held = cart::store::held(tx, returning.iter().map(|(_, user)| *user).collect()).await?;
    returning.retain(|(_, user)| held.contains(user));
    Ok(returning.into_iter().map(|(order, _)| order).collect())
}

async fn lines_to_release(
    tx: &mut Tx<'_>,
    cases: &[Case<'_>],
) -> Result<BTreeMap<OrderId, Vec<SnapshotLine>>> {
    let mut releasing = Vec::new();
    for case in cases {
        if case.releases()? {
            releasing.push(case.order.id);
        }
    }
    let mut lines: BTreeMap<OrderId, Vec<SnapshotLine>> = BTreeMap::new();
    for (order, line) in order::store::lines(tx, &releasing).await? {
        lines.entry(order).or_default().push(line);
    }
    Ok(lines)
}

async fn write_orders(tx: &mut Tx<'_>, cases: &[&Case<'_>], at: DateTime<Utc>) -> Result<()> {
    let mut changes = Vec::new();
    for case in cases {
        let Some(step) = case.decision.order else { continue };
        let status = case.status_after()?;
        let (event, reason) = match step {
            OrderStep::Move(_, reason) => (status.as_str(), reason),
            OrderStep::RefuseCancel => ("cancel_refused", None),
        };
        let asked = case.cancellation.filter(|_| case.decision.cancellation.is_some());
        let declined = match case.outcome {
            Some(CallOutcome::Declined(why)) if asked.is_none() => Some(cut(why)),
            _ => None,
        };
        changes.push(Change {
            id: case.order.id,
            status,
            version: case.order.version + 1,
            reason,
            event,
            actor: asked.map_or("worker", |asked| asked.requested_by.as_str()),
            note: asked.and_then(|asked| asked.reason.as_deref()).or(declined),
            at,
        });
    }
    order::store::save(tx, &changes).await
}

async fn write_payments(tx: &mut Tx<'_>, holder: Holder, cases: &[&Case<'_>]) -> Result<()> {
    let mut attempts = Vec::new();
    let mut changes = Vec::new();
    for case in cases {
        let Some(payment) = case.payment else { continue };
        if case.decision.count_attempt
            && let Some(CallOutcome::NoVerdict(call, why)) = case.outcome
        {
            attempts.push((payment, call.as_str(), cut(why)));
        }
        let change = match (case.decision.payment, case.outcome) {
            (None, _) => continue,
            (Some(PaymentStep::Sleep(pause)), _) => PaymentChange::Later(pause),
            (Some(PaymentStep::Become(status)), outcome) => match (status, outcome) {
                (PaymentStatus::Captured, _) => PaymentChange::Captured,
                (PaymentStatus::Declined, Some(CallOutcome::Declined(why))) => {
                    PaymentChange::Declined(cut(why))
                }
                (PaymentStatus::VoidDue, _) => PaymentChange::VoidDue,
                (PaymentStatus::Voided, _) => PaymentChange::Voided,
                _ => return Err(Error::Impossible(format!("a payment to become {status}"))),
            },
        };
        changes.push((payment, change));
    }
    payment::store::log_attempts(tx, &attempts).await?;
    payment::store::save(tx, holder.owner, holder.lease, &changes).await
}

/// The gateway's words in the 64 ASCII characters of their column.
fn cut(words: &str) -> &str {
    let end = words.char_indices().find(|(at, letter)| *at >= 64 || !letter.is_ascii());
    &words[..end.map_or(words.len(), |(at, _)| at)]
}

async fn release(
    tx: &mut Tx<'_>,
    cases: &[&Case<'_>],
    lines: &BTreeMap<OrderId, Vec<SnapshotLine>>,
) -> Result<()> {
    let mut back = Vec::new();
    let mut released: Vec<&SnapshotLine> = Vec::new();
    for case in cases {
        let Some(lines) = lines.get(&case.order.id) else { continue };
        released.extend(lines);
        if case.returns_lines()? {
            back.push((case.order.user_id, lines.clone()));
        }
    }
    stock::store::change(tx, &order::store::quantities(released)).await?;
    cart::store::put_back(tx, &back).await
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn the_gateways_words_fit_their_column() {
        assert_eq!(cut("card_declined"), "card_declined");
        assert_eq!(cut("declin\u{e9}"), "declin");
        assert_eq!(cut(&"x".repeat(200)).len(), 64);
    }
}

//! Who of a batch is accepted, replayed or refused. Pure: carts and keys are locked and read by the caller.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Accept, Answer, Refusal, Unavailable, Wanted};
use crate::cart::Cart;
use crate::checkout::{Checkout, HeaderKey, SnapshotLine, key, snapshot};
use crate::id::{OrderId, UserId};
use crate::outbox::OutboxRow;
use crate::payment::Method;

/// A checkout that a key stands for, and the body that it came with.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) fingerprint: [u8; 32],
    pub(super) checkout: Arc<Checkout>,
}

/// A checkout that is to be stored.
#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) key: String,
    pub(super) message: OutboxRow,
    pub(super) known: Known,
}

/// What is known of the buyers of a batch, and what their requests make of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The locked carts; accepting empties them.
    pub(super) carts: BTreeMap<UserId, Cart>,
    /// The keys of the batch that are stored already.
    pub(super) keys: HashMap<(UserId, String), Known>,
    /// The checkouts that requests without a key may mean: their own, and the last of an empty cart.
    pub(super) keyless: HashMap<OrderId, Arc<Checkout>>,
    /// What is to be stored.
    pub(super) accepted: Vec<New>,
    /// How many lines the accepted carts held.
    pub(super) lines: usize,
}

impl Plan {
    /// Decides one request, after those that arrived before it; `None` when its cart is not at hand.
    pub(super) fn decide(&mut self, asked: &Accept) -> Option<Answer> {
        let cart = self.carts.get(&asked.user)?;
        if let Some(header) = &asked.key
            && let Some(known) = self.keys.get(&(asked.user, header.stored()))
        {
            return Some(if known.fingerprint == asked.fingerprint {
                again(asked, &known.checkout)
            } else {
                Answer::Refused(Refusal::KeyReused)
            });
        }
        if let Some(own) = self.keyless.get(&asked.order_id) {
            return Some(again(asked, own));
        }
        let Some(wanted) = &asked.wanted else { return Some(Answer::Refused(Refusal::Invalid)) };
        if cart.lines.is_empty() && asked.key.is_none() {
            let last = cart.last_order.and_then(|order| self.keyless.get(&order));
            if let Some(last) = last {
                return Some(again(asked, last));
            }
        }
        Some(match checked(cart, wanted) {
            Err(refusal) => Answer::Refused(refusal),
            Ok((lines, total)) => self.accept(asked, &wanted.method, &lines, total),
        })
    }

    fn accept(
        &mut self,
        asked: &Accept,
        method: &Method,
        lines: &[SnapshotLine],
        total: i64,
    ) -> Answer {
        let cart = self.carts.get_mut(&asked.user).expect("the caller has just read it");
        let key = asked.key.as_ref().map_or_else(|| key::of_cart(cart.version), HeaderKey::stored);
        cart.lines.clear();
        cart.version += 1;
        cart.last_order = Some(asked.order_id);
        let checkout = Arc::new(Checkout {
            order_id: asked.order_id,
            user_id: asked.user,
            lines: snapshot::write(lines),
            payment_method: method.to_string(),
            total,
            request_id: asked.request_id.clone(),
            accepted_at: asked.at,
            consumed: false,
        });
        let known = Known { fingerprint: asked.fingerprint, checkout: Arc::clone(&checkout) };
        self.keys.insert((asked.user, key.clone()), known.clone());
        self.keyless.insert(asked.order_id, Arc::clone(&checkout));
        self.accepted.push(New { key, message: asked.message(), known });
        self.lines += lines.len();
        Answer::Accepted(checkout)
    }
}

/// A checkout that is there already. It is this very request's when the answer to its commit was lost.
fn again(asked: &Accept, checkout: &Arc<Checkout>) -> Answer {
    let checkout = Arc::clone(checkout);
    if checkout.order_id == asked.order_id {
        Answer::Accepted(checkout)
    } else {
        Answer::Replayed(checkout)
    }
}

/// The lines at today's prices and what they cost, or why they cannot be ordered.
fn checked(cart: &Cart, wanted: &Wanted) -> Result<(Vec<SnapshotLine>, i64), Refusal> {
    if cart.lines.is_empty() {
        return Err(Refusal::EmptyCart);
    }
    let lines = cart.in_order();
    let gone: Vec<_> = lines
        .iter()
        .filter(|(_, line)| !line.product.sold)
        .map(|(id, line)| Unavailable {
            product_id: *id,
            sku: line.product.sku.clone(),
            name: line.product.name.clone(),
        })
        .collect();
    if !gone.is_empty() {
        return Err(Refusal::Unavailable(gone));
    }
    let lines: Vec<_> = lines
        .into_iter()
        .map(|(product_id, line)| SnapshotLine {
            product_id,
            sku: line.product.sku.clone(),
            name: line.product.name.clone(),
            quantity: line.quantity,
            price: line.product.price,
        })
        .collect();
    let total = snapshot::total(&lines).ok_or(Refusal::TotalTooLarge)?;
    match wanted.expected_total {
        Some(expected) if expected < total => Err(Refusal::TotalIncreased { expected, total }),
        _ => Ok((lines, total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cart::{Facts, Line};
    use crate::id::{MessageId, ProductId};
    use crate::trace::RequestId;
    use chrono::DateTime;

    fn cart(price: i64, quantity: u32) -> Cart {
        let product =
            Facts { sku: "mug".into(), name: "Mug".into(), price, available: 0, sold: true };
        let added_at = DateTime::UNIX_EPOCH;
        let line = Line { quantity, seen_price: price, added_at, product: Arc::new(product) };
        Cart { version: 3, last_order: None, lines: BTreeMap::from([(ProductId::mint(), line)]) }
    }

    fn ask(user: UserId, key: Option<&str>, body: u8) -> Accept {
        Accept {
            user,
            key: key.map(|key| key.parse().unwrap()),
            fingerprint: [body; 32],
            wanted: Some(Wanted { method: Method::Approve, expected_total: None }),
            order_id: OrderId::mint(),
            message_id: MessageId::mint(),
            request_id: RequestId::mint(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn with(user: UserId, cart: Cart) -> Plan {
        Plan { carts: BTreeMap::from([(user, cart)]), ..Plan::default() }
    }

    fn order(answer: Option<Answer>) -> (&'static str, OrderId) {
        match answer.unwrap() {
            Answer::Accepted(checkout) => ("accepted", checkout.order_id),
            Answer::Replayed(checkout) => ("replayed", checkout.order_id),
            Answer::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    fn refusal(answer: Option<Answer>) -> Refusal {
        match answer.unwrap() {
            Answer::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn the_first_of_a_key_leads_and_the_others_replay_it_or_are_refused() {
        let user = UserId::mint();
        let mut plan = with(user, cart(500, 2));
        let first = ask(user, Some("k"), 1);
        assert_eq!(order(plan.decide(&first)), ("accepted", first.order_id));
        assert_eq!(order(plan.decide(&ask(user, Some("k"), 1))), ("replayed", first.order_id));
        assert_eq!(refusal(plan.decide(&ask(user, Some("k"), 2))), Refusal::KeyReused);
        let invalid = Accept { wanted: None, ..ask(user, Some("k"), 1) };
        assert_eq!(order(plan.decide(&invalid)), ("replayed", first.order_id), "the key is first");
        assert_eq!(refusal(plan.decide(&ask(user, Some("K"), 1))), Refusal::EmptyCart);
        assert_eq!((plan.accepted.len(), plan.carts[&user].version), (1, 4));
    }

    #[test]
    fn a_double_click_without_a_key_is_one_order() {
        let user = UserId::mint();
        let mut plan = with(user, cart(500, 2));
        let (first, second) = (ask(user, None, 1), ask(user, None, 1));
        assert_eq!(order(plan.decide(&first)), ("accepted", first.order_id));
        assert_eq!(order(plan.decide(&second)), ("replayed", first.order_id));
        assert_eq!(plan.accepted[0].key, "c:3");
        let nobody = UserId::mint();
        plan.carts.insert(nobody, Cart { version: 0, last_order: None, lines: BTreeMap::new() });
        assert_eq!(refusal(plan.decide(&ask(nobody, None, 1))), Refusal::EmptyCart);
    }

    #[test]
    fn a_batch_that_runs_again_after_a_lost_commit_answers_as_the_first_time() {
        let user = UserId::mint();
        for key in [Some("k"), None] {
            let mut plan = with(user, cart(500, 2));
            let asked = ask(user, key, 1);
            for _ in 0..2 {
                assert_eq!(order(plan.decide(&asked)), ("accepted", asked.order_id));
                // Between the runs the buyer fills the cart again.
                plan.carts.insert(user, cart(700, 1));
            }
            assert_eq!(plan.accepted.len(), 1);
        }
    }

    #[test]
    fn a_refusal_burns_no_key() {
        let user = UserId::mint();
        let mut plan = with(user, cart(500, 2));
        let invalid = Accept { wanted: None, ..ask(user, Some("k"), 1) };
        assert_eq!(refusal(plan.decide(&invalid)), Refusal::Invalid);
        let mut cheap = ask(user, Some("k"), 2);
        cheap.wanted = Some(Wanted { method: Method::Approve, expected_total: Some(999) });
        let increased = Refusal::TotalIncreased { expected: 999, total: 1000 };
        assert_eq!(refusal(plan.decide(&cheap)), increased);
        for expected in [1000, 1001] {
            let mut asked = ask(user, Some("k"), 3);
            asked.wanted = Some(Wanted { method: Method::Approve, expected_total: Some(expected) });
            assert!(
                plan.decide(&asked).is_some_and(|answer| !matches!(answer, Answer::Refused(_)))
            );
        }
    }

    #[test]
    fn what_cannot_be_ordered_is_said() {
        let user = UserId::mint();
        let mut gone = cart(500, 2);
        for line in gone.lines.values_mut() {
            line.product = Arc::new(Facts { sold: false, ..(*line.product).clone() });
        }
        let (id, mug) = (*gone.lines.keys().next().unwrap(), "mug".to_owned());
        let named = Unavailable { product_id: id, sku: mug, name: "Mug".to_owned() };
        let refused = with(user, gone).decide(&ask(user, None, 1));
        assert_eq!(refusal(refused), Refusal::Unavailable(vec![named]));
        let mut dear = cart(crate::money::MAX_PRICE, crate::money::MAX_QUANTITY);
        let line = dear.lines.values().next().unwrap().clone();
        dear.lines.extend((0..9).map(|_| (ProductId::mint(), line.clone())));
        assert_eq!(refusal(with(user, dear).decide(&ask(user, None, 1))), Refusal::TotalTooLarge);
        assert!(Plan::default().decide(&ask(user, None, 1)).is_none(), "a cart that is held");
    }
}

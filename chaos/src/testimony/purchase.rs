//! Checkouts, and what was answered to them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Testimony;

/// What a buyer knows of one checkout.
#[derive(Debug, Clone, Default)]
pub struct Purchase {
    /// The buyer's e-mail.
    pub buyer: String,
    /// The key; the buyers without one only know what they were answered.
    pub key: Option<String>,
    /// The order, once a 202 named it.
    pub order: Option<String>,
    /// Of the body of the first 202.
    fingerprint: u64,
    /// The last word was a refusal, and no call before it ended unknown: nothing was ordered.
    pub is_refused: bool,
}

impl Purchase {
    /// Nothing is known of it yet.
    pub fn new(buyer: &str, key: Option<String>) -> Self {
        Self { buyer: buyer.to_owned(), key, ..Self::default() }
    }
}

impl Testimony {
    /// Notes a checkout; the place is for [`Testimony::answered`].
    pub fn purchase(&self, purchase: Purchase) -> usize {
        let mut told = self.told();
        told.purchases.push(purchase);
        told.purchases.len() - 1
    }

    /// A 202 named this order for a checkout. A second answer has to be the same to the letter.
    pub fn answered(&self, place: usize, order: &str, body: &[u8]) {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let fingerprint = hasher.finish();
        let mut told = self.told();
        let told = &mut *told;
        let purchase = &mut told.purchases[place];
        match &purchase.order {
            None => {
                purchase.order = Some(order.to_owned());
                purchase.fingerprint = fingerprint;
                told.accepted += 1;
            }
            Some(first) if first == order && purchase.fingerprint == fingerprint => {}
            Some(first) => {
                let words = format!(
                    "key {:?} of {} was answered {first} and then {order}: {}",
                    purchase.key,
                    purchase.buyer,
                    String::from_utf8_lossy(body)
                );
                told.violations.push(words);
            }
        }
    }

    /// A checkout was refused; with `is_sure` nobody can have accepted it. After a 202 that must not be.
    pub fn refused(&self, place: usize, status: u16, is_sure: bool) {
        let mut told = self.told();
        let told = &mut *told;
        let purchase = &mut told.purchases[place];
        purchase.is_refused = is_sure;
        if let Some(order) = &purchase.order {
            let (key, buyer) = (&purchase.key, &purchase.buyer);
            let words = format!("key {key:?} of {buyer} was accepted as {order}, then {status}");
            told.violations.push(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::testimony;
    use super::*;

    #[test]
    fn a_key_that_is_answered_twice_has_one_order() {
        let (_folder, testimony) = testimony();
        let place = testimony.purchase(Purchase::default());
        testimony.answered(place, "ord_1", b"{\"a\":1,\"b\":2}");
        testimony.answered(place, "ord_1", b"{\"a\":1,\"b\":2}");
        assert!(testimony.told().violations.is_empty());
        testimony.answered(place, "ord_2", b"{\"a\":1,\"b\":2}");
        testimony.answered(place, "ord_1", b"{\"b\":2,\"a\":1}");
        testimony.refused(place, 409, true);
        assert_eq!(testimony.told().violations.len(), 3);
    }
}

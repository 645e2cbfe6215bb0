//! Double clicks: a checkout that is called for twice at the same time.

use std::collections::BTreeSet;
use std::time::Instant;

use ordermill_common::clock;

use super::Testimony;

/// A moment, by the clock that only goes on and by the one that everybody reads.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// To be compared with what the clients saw.
    pub at: Instant,
    /// Milliseconds of Unix time, to be compared with what the installation wrote down.
    pub ms: i64,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self { at: Instant::now(), ms: clock::now().timestamp_millis() }
    }
}

/// Two calls at the same time that are meant to buy once.
#[derive(Debug, Clone)]
pub struct DoubleClick {
    /// The buyer's e-mail.
    pub buyer: String,
    /// Both came with the same key and body; without a key they buy what is in the cart.
    pub is_keyed: bool,
    /// Before the first call.
    pub began: Moment,
    /// When both calls had ended.
    pub ended: Instant,
    /// When the buyer went on to fill the cart for the next order.
    pub filled_again: Option<Moment>,
    /// Products that a call of the buyer's may put into the cart at any time: it was given up, not answered.
    pub loose: BTreeSet<String>,
    /// The orders that the answers named.
    pub named: BTreeSet<String>,
    /// The status codes of the answers that refused.
    pub refused: Vec<u16>,
}

impl Testimony {
    /// Notes a double click; the place is for [`Testimony::filled_again`].
    pub fn clicked(&self, click: DoubleClick) -> usize {
        let mut told = self.told();
        told.clicks.push(click);
        told.clicks.len() - 1
    }

    /// Its buyer is about to fill the cart for the next order.
    pub fn filled_again(&self, place: usize) {
        self.told().clicks[place].filled_again = Some(Moment::now());
    }
}

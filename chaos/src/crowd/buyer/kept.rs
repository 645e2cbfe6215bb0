//! A few of the keys that a buyer has bought with, to be used once more in the end.

use crate::dice::Dice;

/// A checkout with a key that has its order.
#[derive(Debug)]
pub(super) struct Bought {
    /// Its place in the testimony.
    pub(super) place: usize,
    pub(super) key: String,
    pub(super) body: String,
}

/// The first, and any one of all others.
#[derive(Debug, Default)]
pub(super) struct Kept {
    first: Option<Bought>,
    other: Option<Bought>,
    others: usize,
}

impl Kept {
    /// Keeps it if it is the first; otherwise each has the same chance in the end.
    pub(super) fn keep(&mut self, bought: Bought, dice: &mut Dice) {
        if self.first.is_none() {
            self.first = Some(bought);
            return;
        }
        self.others += 1;
        if dice.below(self.others) == 0 {
            self.other = Some(bought);
        }
    }

    /// What was kept.
    pub(super) fn into_all(self) -> impl Iterator<Item = Bought> {
        self.first.into_iter().chain(self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that are kept of so many.
    fn kept(seed: u64, all: usize) -> Vec<usize> {
        let (mut kept, mut dice) = (Kept::default(), Dice::new(seed, "buyer"));
        for place in 0..all {
            kept.keep(Bought { place, key: String::new(), body: String::new() }, &mut dice);
        }
        kept.into_all().map(|bought| bought.place).collect()
    }

    #[test]
    fn the_first_is_kept_and_one_of_the_others() {
        assert_eq!(kept(7, 0), [0; 0]);
        assert_eq!(kept(7, 1), [0]);
        assert_eq!(kept(7, 2), [0, 1]);
        let others: Vec<usize> = (0..100).map(|seed| kept(seed, 101)[1]).collect();
        let early = others.iter().filter(|place| **place <= 50).count();
        assert!((30..=70).contains(&early), "{early} of 100 are of the first half");
    }
}

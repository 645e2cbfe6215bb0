//! Chance that can be repeated: everything that a run chooses follows from its seed.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// A stream of choices.
#[derive(Debug)]
pub struct Dice(SmallRng);

impl Dice {
    /// The stream of this seed and name; other names give other streams.
    pub fn new(seed: u64, name: &str) -> Self {
        let mixed = name.bytes().fold(seed ^ 0x9e37_79b9_7f4a_7c15, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
        });
        Self(SmallRng::seed_from_u64(mixed))
    }

    /// A seed for others.
    pub fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    /// Whether something happens that happens in so many cases of a hundred.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    /// One of them; there is at least one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_chooses_the_same_and_another_name_something_else() {
        let throw = |name: &str| {
            let mut dice = Dice::new(7, name);
            (0..20).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throw("buyer 1"), throw("buyer 1"));
        assert_ne!(throw("buyer 1"), throw("buyer 2"));
    }
}

//! Durations as they are counted and shown.

use std::time::Duration;

use hdrhistogram::Histogram;

const LONGEST: Duration = Duration::from_hours(1);

/// Durations up to an hour, to three digits.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(micros(LONGEST), 3);
        Self(histogram.expect("an hour with three digits is a valid histogram"))
    }
}

impl Times {
    /// Counts a duration; a longer one than an hour counts as an hour.
    pub fn add(&mut self, time: Duration) {
        self.0.saturating_record(micros(time));
    }

    /// Counts all of the other's.
    pub fn extend(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same range");
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration below which this share of them is, for a table.
    pub fn below(&self, share: f64) -> String {
        if self.0.is_empty() {
            return "-".to_owned();
        }
        let micros = self.0.value_at_quantile(share);
        format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_in_milliseconds() {
        let mut times = Times::default();
        assert_eq!(times.below(0.5), "-");
        for millis in 1..=100 {
            times.add(Duration::from_millis(millis));
        }
        times.extend(&times.clone());
        assert_eq!(times.count(), 200);
        assert_eq!((times.below(0.5).as_str(), times.below(0.99).as_str()), ("50.0 ms", "99.0 ms"));
        times.add(Duration::from_hours(9));
        assert!(times.below(1.0).starts_with("36"), "{}", times.below(1.0));
    }
}

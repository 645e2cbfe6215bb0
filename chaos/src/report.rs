//! What came of the scenarios, as a table.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// So many violations of a scenario are named; one cause may break thousands of orders.
const NAMED: usize = 200;

/// What came of one scenario.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The scenario.
    pub name: &'static str,
    /// Trials that were brought to their end.
    pub trials: u32,
    /// Faults that took effect.
    pub faults: u32,
    /// Checkouts that were accepted.
    pub accepted: usize,
    /// What must never be.
    pub violations: Vec<String>,
    /// How long each recovery took.
    pub recoveries: Vec<Duration>,
    /// How long all of it took.
    pub took: Duration,
    /// Where the logs and the dump are, when there are violations.
    pub evidence: Option<PathBuf>,
}

impl Outcome {
    /// Nothing yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// The middle and the longest recovery.
    pub fn recovery(&self) -> Option<(Duration, Duration)> {
        let mut sorted = self.recoveries.clone();
        sorted.sort();
        Some((*sorted.get(sorted.len() / 2)?, *sorted.last()?))
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Repeats the run.
    pub seed: u64,
    /// One a scenario.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether nothing was violated.
    pub fn is_clean(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.violations.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:24} {:>7} {:>7} {:>9} {:>11} {:>10} {:>10} {:>6}",
            "scenario", "trials", "faults", "accepted", "violations", "recovery", "worst", "took"
        )?;
        for outcome in &self.outcomes {
            let (median, worst) = match outcome.recovery() {
                Some((median, worst)) => (seconds(median), seconds(worst)),
                None => ("-".to_owned(), "-".to_owned()),
            };
            writeln!(
                f,
                "{:24} {:>7} {:>7} {:>9} {:>11} {median:>10} {worst:>10} {:>4} s",
                outcome.name,
                outcome.trials,
                outcome.faults,
                outcome.accepted,
                outcome.violations.len(),
                outcome.took.as_secs(),
            )?;
        }
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.violations.is_empty()) {
            writeln!(f, "\n{} (seed {}):", outcome.name, self.seed)?;
            for violation in outcome.violations.iter().take(NAMED) {
                writeln!(f, "  VIOLATION: {violation}")?;
            }
            if let Some(more) = outcome.violations.len().checked_sub(NAMED + 1) {
                writeln!(f, "  and {} more", more + 1)?;
            }
            if let Some(folder) = &outcome.evidence {
                writeln!(f, "  evidence: {}", folder.display())?;
            }
        }
        Ok(())
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_a_violation_is_not_clean_and_says_how_to_repeat_it() {
        let mut report = Report { seed: 42, outcomes: vec![Outcome::new("worker-kill")] };
        assert!(report.is_clean());
        report.outcomes[0].violations.push("LOST: ord_1".to_owned());
        assert!(!report.is_clean());
        let text = report.to_string();
        assert!(text.contains("seed 42") && text.contains("LOST: ord_1"), "{text}");
    }
}

//! How a size grew, and whether that is too much.

use std::fmt;

/// Hundredths an hour.
const LIMIT: f64 = 2.0;
/// By so many standard errors what is measured is too much by chance once in a hundred times, if the looks have nothing
/// to do with each other: Student's t, for one look more than a line needs, for two, and so on. Several numbers are
/// judged in one run, of few looks.
const ERRORS: [f64; 10] = [31.82, 6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896, 2.821, 2.764];
const HOUR: f64 = 3600.0;

/// How the memory of one process grew after it had settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Growth {
    /// Whose, and which.
    name: String,
    /// What it had, look after look, in KiB.
    had: Vec<f64>,
    /// Their mean.
    kib: f64,
    /// Hundredths of that, an hour.
    percent: f64,
    /// How far from it the truth may be.
    margin: f64,
}

impl Growth {
    /// The straight line with the least squares through seconds and KiB.
    pub(super) fn of(name: String, looks: &[(f64, f64)]) -> Self {
        let count = f64::from(u32::try_from(looks.len()).unwrap_or(u32::MAX));
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| looks.iter().map(of).sum::<f64>();
        let (time, kib) = (sum(&|look| look.0) / count, sum(&|look| look.1) / count);
        let spread = sum(&|look| (look.0 - time).powi(2));
        let slope = sum(&|look| (look.0 - time) * (look.1 - kib)) / spread;
        let off = sum(&|look| (look.1 - kib - slope * (look.0 - time)).powi(2));
        let error = (off / (count - 2.0).max(1.0) / spread).sqrt();
        let errors = ERRORS[looks.len().clamp(3, ERRORS.len() + 2) - 3];
        let percent = |slope: f64| 100.0 * HOUR * slope / kib;
        let had = looks.iter().map(|look| look.1).collect();
        Self { name, had, kib, percent: percent(slope), margin: percent(errors * error) }
    }

    /// Whether it may be more than it must be, and may not.
    pub(super) fn is_vague(&self) -> bool {
        self.violation().is_none() && self.percent + self.margin > LIMIT
    }

    /// What is wrong with it, if anything is.
    pub(super) fn violation(&self) -> Option<String> {
        (self.percent - self.margin > LIMIT).then(|| format!("MEMORY: {self}"))
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, had, kib, percent, margin } = self;
        let mib = kib / 1024.0;
        write!(f, "{name}, {mib:.2} MiB, grows by {percent:.1} ± {margin:.1} % an hour (")?;
        for (place, look) in had.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{:.2}", look / 1024.0)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_too_much_and_may_not_is_vague() {
        let (name, had) = (String::new(), Vec::new());
        let still = Growth { name, had, kib: 1.0, percent: 0.0, margin: 0.0 };
        let grows = |percent, margin| Growth { percent, margin, ..still.clone() };
        assert!(grows(1.8, 10.8).is_vague() && grows(6.5, 6.7).is_vague());
        assert!(!grows(1.2, 0.7).is_vague() && !grows(-9.3, 9.7).is_vague());
        assert!(!grows(188.0, 50.0).is_vague());
    }

    /// MiB, while the buyers rested.
    fn growth(had: &[f64]) -> Growth {
        let looks = had.iter().zip(0..).map(|(mib, look)| (f64::from(look) * 345.0, mib * 1024.0));
        Growth::of(String::new(), &looks.collect::<Vec<_>>())
    }

    #[test]
    fn what_chance_explains_is_vague_and_a_leak_is_not() {
        let few = growth(&[3.85, 3.95, 3.94, 3.97, 4.07]);
        assert!(few.violation().is_none() && few.is_vague(), "{few}");
        let unsteady = growth(&[6.3, 6.5, 6.7, 7.2, 6.2, 6.4, 6.6, 8.1, 7.5, 7.3]);
        assert!(unsteady.violation().is_none() && unsteady.is_vague(), "{unsteady}");
        let lost_connections =
            growth(&[2.31, 2.14, 2.21, 2.49, 2.45, 2.33, 2.01, 3.86, 3.83, 3.55]);
        assert!(lost_connections.violation().is_some(), "{lost_connections}");
    }
}

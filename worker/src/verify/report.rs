//! What was found, as a table for people and as facts for tests.

use std::fmt;

use sqlx::types::Uuid;

use super::invariant::Kind;

/// How many offenders of an invariant are named.
const SHOWN: usize = 10;

/// What became of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant's name.
    pub name: &'static str,
    /// What should hold.
    pub says: &'static str,
    /// How many break it.
    pub offenders: u64,
    /// The first ten of them: an id, and a word about it.
    pub shown: Vec<String>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Products, deleted ones as well.
    pub(super) products: i64,
    /// Accepted requests.
    pub(super) checkouts: i64,
    /// Orders.
    pub(super) orders: i64,
    /// Payments.
    pub(super) payments: i64,
}

/// Every invariant with its finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    counts: Counts,
    findings: Vec<Finding>,
}

impl Finding {
    pub(super) fn new(name: &'static str, says: &'static str) -> Self {
        Self { name, says, offenders: 0, shown: Vec::new() }
    }

    /// Counts an offender, and names it while there is room.
    pub(super) fn offend(&mut self, of: Kind, id: Uuid, detail: Option<&str>) {
        self.offenders += 1;
        if self.shown.len() < SHOWN {
            let detail = detail.map_or(String::new(), |detail| format!("  {detail}"));
            self.shown.push(format!("{}{detail}", of.write(id)));
        }
    }
}

impl Report {
    pub(super) fn new(counts: Counts) -> Self {
        Self { counts, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether every invariant holds.
    pub fn is_clean(&self) -> bool {
        self.broken().next().is_none()
    }

    /// Every invariant that was looked at.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Those that do not hold.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.offenders > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { products, checkouts, orders, payments } = self.counts;
        writeln!(
            f,
            "{products} products, {checkouts} checkouts, {orders} orders, {payments} payments\n"
        )?;
        let width = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
        for finding in &self.findings {
            let mark = match finding.offenders {
                0 => "ok".to_owned(),
                offenders => format!("{offenders} WRONG"),
            };
            writeln!(f, "{mark:>12}  {:width$}  {}", finding.name, finding.says)?;
            for offender in &finding.shown {
                writeln!(f, "{:>12}  {offender}", "")?;
            }
            let more = finding.offenders.saturating_sub(finding.shown.len() as u64);
            if more > 0 {
                writeln!(f, "{:>12}  and {more} more", "")?;
            }
        }
        match self.broken().count() {
            0 => writeln!(f, "\nnothing found: {} invariants hold", self.findings.len()),
            broken => writeln!(f, "\n{broken} of {} invariants are broken", self.findings.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_ten_offenders_and_counts_the_rest() {
        let mut report = Report::new(Counts { products: 1, ..Counts::default() });
        report.add(Finding::new("fine", "All is well."));
        let mut broken = Finding::new("broken_thing", "Nothing is.");
        for _ in 0..12 {
            broken.offend(Kind::Order, Uuid::nil(), Some("why"));
        }
        report.add(broken);
        assert!(!report.is_clean());
        let text = report.to_string();
        assert_eq!(text.matches("ord_00000000000000000000000000  why").count(), 10, "{text}");
        assert!(text.contains("          ok  fine          All is well.\n"), "{text}");
        assert!(text.contains("    12 WRONG  broken_thing  Nothing is.\n"), "{text}");
        assert!(text.contains("and 2 more\n"), "{text}");
        assert!(text.ends_with("1 of 2 invariants are broken\n"), "{text}");
    }
}

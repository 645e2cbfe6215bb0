//! The table at the end: it adds up, or says where it does not.

use std::collections::BTreeMap;
use std::fmt;

use super::buyer::Stage;
use super::outcome::Outcome;
use super::plan::RowCounts;
use super::recount::Ends;
use crate::table::Table;
use crate::verify::Verdict;

const ERRORS_SHOWN: usize = 5;

/// What a replay came to.
#[derive(Debug)]
pub struct Report {
    table: Table,
    wrong: Vec<String>,
    verdict: Option<Verdict>,
}

/// The invoices counted by what became of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    not_sent: BTreeMap<String, u64>,
    not_accepted: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
    returned: BTreeMap<String, u64>,
}

impl Report {
    /// Adds up what the stage holds.
    pub fn new(
        stage: &Stage,
        ends: &Ends,
        repeats: u64,
        killed: &[&'static str],
        seconds: f64,
    ) -> Self {
        let outcomes = stage.outcomes.all();
        let tally = Tally::new(&outcomes, ends);
        let mut table = Table::default();
        rows(&mut table, &stage.plan.rows);
        tally.show(&mut table, outcomes.len() as u64);
        table.head("how");
        let times = stage.outcomes.times_to_paid();
        table.row("time to paid, p50", times.below(0.5));
        table.row("time to paid, p99", times.below(0.99));
        table.row("seconds", format!("{seconds:.1}"));
        table.row("calls repeated", repeats);
        table.row("killed", if killed.is_empty() { "nothing".into() } else { killed.join(", ") });
        let mut wrong = stage.outcomes.faults();
        wrong.extend(tally.wrong(outcomes.len() as u64));
        if stage.plan.rows.all() != stage.plan.rows.read {
            let (all, read) = (stage.plan.rows.all(), stage.plan.rows.read);
            wrong.push(format!("{read} rows were read and {all} are accounted for"));
        }
        Self { table, wrong, verdict: None }
    }

    /// With what `verify` found; `None` when it was not asked.
    #[must_use]
    pub fn verified(self, verdict: Option<Verdict>) -> Self {
        Self { verdict, ..self }
    }

    /// With the errors that the processes have logged. They are told, not judged: who kills a server
    /// gets some.
    #[must_use]
    pub fn logged(mut self, errors: &[String]) -> Self {
        self.table.row("errors in the logs", errors.len());
        for error in errors.iter().take(ERRORS_SHOWN) {
            crate::live::note(error);
        }
        self
    }

    /// Whether everything is accounted for and `verify`, if asked, found nothing.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.verdict.as_ref().is_none_or(|verdict| verdict.is_clean)
    }
}

fn rows(table: &mut Table, rows: &RowCounts) {
    table.head("rows");
    table.row("read", rows.read);
    table.part("sold", rows.sold);
    table.part("in C invoices", rows.returned);
    for (dirt, count) in &rows.dirty {
        table.part(&format!("left out: {}", dirt.as_str()), *count);
    }
}

impl Tally {
    fn new(outcomes: &[Option<Outcome>], ends: &Ends) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            let (group, label) = match outcome {
                None => continue,
                Some(Outcome::NothingToSell) => (&mut tally.not_sent, "nothing to sell".into()),
                Some(Outcome::RefusedAtCart(code)) => {
                    (&mut tally.not_sent, format!("refused at cart: {code}"))
                }
                Some(Outcome::RefusedAtCheckout(code)) => {
                    (&mut tally.not_accepted, format!("refused at checkout: {code}"))
                }
                Some(Outcome::Unanswered) => (&mut tally.not_accepted, "UNANSWERED".into()),
                Some(Outcome::Accepted(id)) => (&mut tally.ended, end(ends, id)),
                Some(Outcome::Returned(how)) => (&mut tally.returned, how.label()),
            };
            *group.entry(label).or_default() += 1;
        }
        tally
    }

    fn show(&self, table: &mut Table, invoices: u64) {
        let accepted = sum(&self.ended);
        table.head("invoices");
        table.row("read", invoices);
        table.parts(&self.not_sent);
        table.part("C invoices", sum(&self.returned));
        table.part("sent", accepted + sum(&self.not_accepted));
        table.head("sent");
        table.parts(&self.not_accepted);
        table.row("accepted", accepted);
        table.parts(&self.ended);
        table.head("C invoices");
        table.row("read", sum(&self.returned));
        table.parts(&self.returned);
    }

    fn wrong(&self, invoices: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        let groups = [&self.not_sent, &self.not_accepted, &self.ended, &self.returned];
        let known: u64 = groups.into_iter().map(sum).sum();
        if known != invoices {
            wrong.push(format!("{} invoices have no outcome", invoices - known));
        }
        for group in groups {
            for (label, count) in group.iter().filter(|(label, _)| is_shouted(label)) {
                wrong.push(format!("{count} invoices are {label}"));
            }
        }
        wrong
    }
}

// What must not be is in capitals.
fn is_shouted(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_uppercase())
}

fn end(ends: &Ends, id: &str) -> String {
    match ends.get(id) {
        None => "LOST".to_owned(),
        Some(end) if matches!(&*end.status, "accepted" | "reserved") => {
            format!("NOT ENDED: {}", end.status)
        }
        Some(end) => match &end.reason {
            Some(reason) if end.status != "cancelled" => format!("{}: {reason}", end.status),
            _ => end.status.clone(),
        },
    }
}

fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        match &self.verdict {
            Some(verdict) => writeln!(f, "{}", verdict.sentence()),
            None => writeln!(
                f,
                "not verified: run `ordermill-worker verify` there, or set DATABASE_URL here"
            ),
        }?;
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        if self.wrong.is_empty() {
            writeln!(f, "every row and every invoice is accounted for")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::ReturnEnd;
    use super::*;

    fn ends(orders: &[(&str, &str, Option<&str>)]) -> Ends {
        let end = |(id, status, reason): &(&str, &str, Option<&str>)| {
            let end = serde_json::json!({"id": id, "status": status, "reason": reason});
            ((*id).to_owned(), serde_json::from_value(end).unwrap())
        };
        orders.iter().map(end).collect()
    }

    #[test]
    fn every_invoice_is_in_one_row() {
        let accepted = |id: &str| Some(Outcome::Accepted(id.to_owned()));
        let tally = Tally::new(
            &[
                Some(Outcome::NothingToSell),
                Some(Outcome::RefusedAtCart("out_of_stock".into())),
                accepted("ord_1"),
                accepted("ord_2"),
                accepted("ord_3"),
                Some(Outcome::Returned(ReturnEnd::Part)),
            ],
            &ends(&[
                ("ord_1", "paid", None),
                ("ord_2", "rejected", Some("out_of_stock")),
                ("ord_3", "cancelled", Some("returned")),
            ]),
        );
        let labels: Vec<&str> = tally.ended.keys().map(String::as_str).collect();
        assert_eq!(labels, ["cancelled", "paid", "rejected: out_of_stock"]);
        assert_eq!(tally.wrong(6), Vec::<String>::new());
    }

    #[test]
    fn what_is_lost_stuck_unanswered_or_forgotten_is_wrong() {
        let accepted = |id: &str| Some(Outcome::Accepted(id.to_owned()));
        let outcomes = [accepted("ord_1"), accepted("ord_2"), Some(Outcome::Unanswered), None];
        let tally = Tally::new(&outcomes, &ends(&[("ord_1", "reserved", None)]));
        assert_eq!(
            tally.wrong(4),
            [
                "1 invoices have no outcome",
                "1 invoices are UNANSWERED",
                "1 invoices are LOST",
                "1 invoices are NOT ENDED: reserved",
            ]
        );
    }
}

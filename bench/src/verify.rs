//! Asks `ordermill-worker verify`, which reads the database and names what is wrong in it.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use xtask::binaries;

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it found nothing.
    pub is_clean: bool,
    /// What it printed.
    pub words: String,
}

impl Verdict {
    /// What a run of `verify` says. One that was killed has neither found anything nor found nothing.
    fn of(output: &Output) -> Result<Self> {
        ensure!(output.status.code().is_some(), "ordermill-worker verify: {}", output.status);
        let words = [output.stdout.as_slice(), &output.stderr].concat();
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        Ok(Self { is_clean: output.status.success(), words })
    }

    /// For the end of a table: its last line, or all it said when it found something.
    pub fn sentence(&self) -> String {
        if self.is_clean {
            let last = self.words.lines().last().unwrap_or_default();
            return format!("verify: {last}");
        }
        format!("VERIFY FOUND SOMETHING\n{}", self.words)
    }
}

/// Runs `verify` on the database, against the gateway's ledger where there is one. What is unfinished for
/// longer than a minute counts as found.
pub fn verify(database_url: &str, ledger: Option<&Path>) -> Result<Verdict> {
    let mut command = Command::new(binaries::path("ordermill-worker")?);
    command.args(["verify", "--limit", "60"]).env("DATABASE_URL", database_url);
    if let Some(ledger) = ledger.filter(|ledger| ledger.exists()) {
        command.arg("--ledger").arg(ledger);
    }
    Verdict::of(&command.output().context("cannot run ordermill-worker")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_after(script: &str) -> Result<Verdict> {
        Verdict::of(&Command::new("sh").args(["-c", script]).output().unwrap())
    }

    #[test]
    fn only_what_came_to_its_end_has_found_something_or_nothing() {
        assert!(verdict_after("echo fine").unwrap().is_clean);
        let found = verdict_after("echo 'one order is stuck'; exit 1").unwrap();
        assert!(!found.is_clean && found.sentence().contains("one order is stuck"));
        let killed = verdict_after("kill -TERM $$").unwrap_err();
        assert!(killed.to_string().contains("signal"), "{killed}");
    }
}

//! Asks `ordermill-worker verify`, which reads the database and names what is wrong in it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
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
    let output = command.output().context("cannot run ordermill-worker")?;
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    Ok(Verdict { is_clean: output.status.success(), words })
}

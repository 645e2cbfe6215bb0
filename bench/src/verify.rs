//! Asks `ordermill-worker verify`, which reads the database and names what is wrong in it.

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
    /// For the end of a table.
    pub fn sentence(&self) -> String {
        let found = if self.is_clean { "verify found nothing" } else { "VERIFY FOUND SOMETHING" };
        format!("{found}\n{}", self.words)
    }
}

/// Runs `verify` with these variables: the database's URL and, where there is one, the ledger's path.
/// What is unfinished for longer than a minute counts as found.
pub fn verify(variables: impl IntoIterator<Item = (&'static str, String)>) -> Result<Verdict> {
    let output = Command::new(binaries::path("ordermill-worker")?)
        .args(["verify", "--limit", "60"])
        .envs(variables)
        .output()
        .context("cannot run ordermill-worker")?;
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    Ok(Verdict { is_clean: output.status.success(), words })
}

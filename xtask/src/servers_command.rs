//! `cargo xtask servers`: private servers for tools of one's own.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::progress::Progress;
use xtask::servers::Servers;
use xtask::wait;

/// Starts both servers, prints their URLs for a shell, and stays until Ctrl-C.
pub(crate) fn run(folder: &Path, progress: Progress) -> Result<ExitCode> {
    let mut servers = Servers::start(folder, progress)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "export DATABASE_URL={}", servers.database_url())?;
    writeln!(stdout, "export AMQP_URL={}", servers.amqp_url())?;
    progress.note("Ctrl-C stops them.");
    wait::for_signal(|| match servers.fallen() {
        Some(child) => bail!("{} ended:\n{}", child.name(), child.last_words()),
        None => Ok(()),
    })?;
    progress.step("Stopping", || {
        servers.stop();
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

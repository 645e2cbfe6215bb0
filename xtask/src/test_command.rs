//! `cargo xtask test`: every test on real servers, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use xtask::folder::{self, Claim};
use xtask::mark::Mark;
use xtask::progress::Progress;
use xtask::servers::Servers;
use xtask::{binaries, secret};

use crate::given::{Given, Urls};

const GRACE: Duration = Duration::from_secs(10);

/// Which tests, on which servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Arguments of the test programs, after `--`
    #[arg(last = true)]
    further: Vec<String>,
    #[command(flatten)]
    given: Given,
}

/// Runs the tests and answers the test runner's exit code. Prints nothing after its last line.
pub(crate) fn run(options: &Options, progress: Progress) -> Result<ExitCode> {
    let given = options.given.urls()?;
    progress.loud_step("Building", || {
        // The programs that tests start; `cargo test` builds none of another package.
        binaries::cargo_build(["--workspace", "--bins"])?;
        let mut command = binaries::cargo();
        command.args(["test", "--workspace", "--no-run", "--quiet"]);
        ensure!(binaries::follow(&mut command)?.success(), "the tests do not compile");
        Ok(())
    })?;
    let Some(urls) = given else {
        let home = binaries::target()?.join("xtask-test");
        end_and_delete_left_behind(&home);
        fs::create_dir_all(&home).with_context(|| format!("cannot write to {}", home.display()))?;
        let folder = TempDir::new_in(&home)?;
        let servers = Servers::start(folder.path(), progress)?;
        let urls = Urls { database: servers.database_url(), amqp: servers.amqp_url() };
        let outcome = run_tests(options, &urls);
        servers.stop();
        folder.close().context("cannot delete the servers' folder")?;
        return outcome;
    };
    run_tests(options, &urls)
}

fn run_tests(options: &Options, urls: &Urls) -> Result<ExitCode> {
    let mark = Mark::new("ORDERMILL_TEST_RUN", secret::hex(16)?);
    let mut command = binaries::cargo();
    command
        .args(["test", "--workspace"])
        .args(&options.filter)
        .arg("--")
        .args(&options.further)
        .env("DATABASE_URL", &urls.database)
        .env("AMQP_URL", &urls.amqp);
    mark.put_on(&mut command);
    let outcome = binaries::follow(&mut command);
    // Whatever a failed test did not end: programs, servers.
    mark.end_bearers(GRACE);
    let status = outcome?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

// A run that was killed with SIGKILL could not clean up.
fn end_and_delete_left_behind(home: &Path) {
    let folders = fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in folders.filter(|path: &PathBuf| folder::is_ours(path)) {
        if let Ok(Claim::Ours(left)) = folder::seize(&path) {
            left.end_left_behind();
            let _ = folder::delete(left);
        }
    }
}

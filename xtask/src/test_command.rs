//! `cargo xtask test`: every test on real servers, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use xtask::binaries;
use xtask::folder::{self, Claim, Folder};
use xtask::install;
use xtask::progress::Progress;
use xtask::servers::Servers;

use crate::given::{Given, Urls};

/// Which tests, on which servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Build with crash points, and run the stories that need them as well
    #[arg(long)]
    crash_points: bool,
    /// Arguments of the test programs, after `--`
    #[arg(last = true)]
    further: Vec<String>,
    #[command(flatten)]
    given: Given,
}

impl Options {
    /// Of what, and with what, the tests are built: all that is built for one run has to agree.
    fn built(&self) -> &'static [&'static str] {
        if self.crash_points {
            &["--workspace", "--features", "ordermill-tests/crash-points"]
        } else {
            &["--workspace"]
        }
    }
}

/// Runs the tests and answers the test runner's exit code. Prints nothing after its last line.
pub(crate) fn run(options: &Options, progress: Progress) -> Result<ExitCode> {
    let built = options.built();
    let given = options.given.urls()?;
    install::build_tools(progress)?;
    progress.loud_step("Building", || {
        // The programs that tests start; `cargo test` builds none of another package.
        binaries::cargo_build(["--bins"].iter().chain(built))?;
        let mut command = binaries::cargo();
        command.args(["test", "--no-run", "--quiet"]).args(built);
        ensure!(binaries::follow(command)?.success(), "the tests do not compile");
        Ok(())
    })?;
    let home = binaries::target()?.join("xtask-test");
    end_and_delete_left_behind(&home);
    fs::create_dir_all(&home).with_context(|| format!("cannot write to {}", home.display()))?;
    let path = TempDir::with_prefix_in("run", &home)?;
    let Claim::Ours(folder) = folder::claim(path.path())? else {
        bail!("{} was claimed by somebody else", path.path().display());
    };
    let outcome = match given {
        Some(urls) => run_tests(options, &urls, &folder),
        None => Servers::start_in(&folder, progress).and_then(|servers| {
            let urls = Urls { database: servers.database_url(), amqp: servers.amqp_url() };
            run_tests(options, &urls, &folder)
        }),
    };
    // Whatever a failed test did not end: programs, servers.
    folder.end_left_behind();
    drop(folder);
    path.close()
        .with_context(|| format!("cannot delete the run's folder in {}", home.display()))?;
    outcome
}

// All that the tests start carries the folder's mark, and their files are in the folder: one that
// is killed leaves nothing that this run or the next one would not find.
fn run_tests(options: &Options, urls: &Urls, folder: &Folder) -> Result<ExitCode> {
    let temporary = folder.path().join("tmp");
    fs::create_dir_all(&temporary)?;
    let mut command = binaries::cargo();
    command
        .arg("test")
        .args(options.built())
        .args(&options.filter)
        .arg("--")
        .args(&options.further)
        .env("DATABASE_URL", &urls.database)
        .env("AMQP_URL", &urls.amqp)
        .env("TMPDIR", &temporary);
    folder.mark().put_on(&mut command);
    let status = binaries::follow(command)?;
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

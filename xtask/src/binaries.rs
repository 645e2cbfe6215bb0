//! Builds and finds the product's programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;
use crate::{child, install, wait};

const LONGEST_RUN: Duration = Duration::from_hours(12);

/// The repository's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A call of the cargo that built this program, in the repository; for [`follow`].
pub fn cargo() -> Command {
    let mut command = child::command(env!("CARGO"));
    command.current_dir(root());
    command
}

/// The path of one of our programs, next to the running one or (from a test) one folder up: of the
/// same profile, in the same target folder.
pub fn path(name: &str) -> Result<PathBuf> {
    Ok(folder()?.join(name))
}

/// The target folder that holds the running program.
pub fn target() -> Result<PathBuf> {
    folder()?.parent().map(Into::into).context("the running program is in no target folder")
}

/// Builds the API and the worker in the profile of the running program.
pub fn build(progress: Progress) -> Result<()> {
    install::build_tools(progress)?;
    let packages = ["-p", "ordermill-api", "-p", "ordermill-worker"];
    progress.loud_step("Building the API and the worker", || cargo_build(packages))
}

/// Runs `cargo build` with these arguments in the profile of the running program.
pub fn cargo_build(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    let mut command = cargo();
    command.arg("build").args(arguments);
    if folder()?.file_name() == Some(OsStr::new("release")) {
        command.arg("--release");
    }
    let status = follow(command)?;
    if !status.success() {
        bail!("cargo build failed ({status})");
    }
    Ok(())
}

/// Runs a cargo command to its end; a signal to us ends it.
pub fn follow(command: Command) -> Result<ExitStatus> {
    let mut cargo = child::spawn(command).context("cannot run cargo")?;
    match wait::until(LONGEST_RUN, || anyhow::Ok(cargo.try_wait()?)) {
        Ok(Some(status)) => Ok(status),
        outcome => {
            child::end_group(&mut cargo);
            outcome?;
            bail!("cargo did not end in {} h", LONGEST_RUN.as_secs() / 3600);
        }
    }
}

fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("the running program is in no folder")?;
    let is_test = folder.file_name() == Some(OsStr::new("deps"));
    let folder = if is_test { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

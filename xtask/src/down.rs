//! `cargo xtask down`: nothing that an `up` started runs on.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use xtask::folder::{self, Claim, Folder, Holder};
use xtask::progress::Progress;
use xtask::wait;

// Longer than the API and the workers may drain, and the servers may take to stop.
const PATIENCE: Duration = Duration::from_secs(90);

/// Stops a living `up` (in order) and what a killed one left. Fine with nothing to stop.
pub(crate) fn run(path: &Path, progress: Progress) -> Result<ExitCode> {
    if stop(path, progress)?.is_none() {
        progress.note(&format!("nothing to stop: {} is no folder of ours", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Stops everything and hands over the claimed folder; `None` when the folder is not ours.
pub(crate) fn stop(path: &Path, progress: Progress) -> Result<Option<Folder>> {
    if !folder::is_ours(path) {
        return Ok(None);
    }
    let folder = match folder::seize(path)? {
        Claim::Ours(folder) => folder,
        Claim::Held(holder) => {
            let holder = holder.filter(Holder::is_alive).with_context(|| {
                format!("{} is held by a run that is just starting: try again", path.display())
            })?;
            let what = format!("Stopping the run with pid {}", holder.pid);
            progress.step(&what, || stop_holder(path, &holder))?
        }
    };
    match progress
        .step("Looking for what was left running", || anyhow::Ok(folder.end_left_behind()))?
    {
        0 => {}
        count => progress.note(&format!("ended {count} left behind")),
    }
    Ok(Some(folder))
}

fn stop_holder(path: &Path, holder: &Holder) -> Result<Folder> {
    for signal in [Signal::TERM, Signal::KILL] {
        let pid = Pid::from_raw(holder.pid.cast_signed()).context("a pid is never zero")?;
        // It may have ended meanwhile; the lock tells.
        let _ = kill_process(pid, signal);
        let claimed = wait::until(PATIENCE, || match folder::seize(path)? {
            Claim::Ours(folder) => Ok(Some(folder)),
            Claim::Held(_) => anyhow::Ok(None),
        })?;
        if let Some(folder) = claimed {
            return Ok(folder);
        }
    }
    bail!("the run with pid {} holds {} and cannot be ended", holder.pid, path.display());
}

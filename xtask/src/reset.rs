//! `cargo xtask reset`: as if `up` had never run.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::folder;
use xtask::progress::Progress;

use crate::down;

/// Stops everything, then deletes the folder; refuses one that does not carry our marker.
pub(crate) fn run(path: &Path, progress: Progress) -> Result<ExitCode> {
    if let Some(folder) = down::stop(path, progress)? {
        progress.step(&format!("Deleting {}", path.display()), || folder::delete(folder))?;
    } else if path.exists() {
        bail!("{} does not carry our marker: delete it by hand if you mean it", path.display());
    } else {
        progress.note(&format!("nothing to delete: there is no {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

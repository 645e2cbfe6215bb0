//! What the processes write into their logs from some moment on: evidence of a fault that only they can give.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::scene::Scene;

/// Each look reads everything since the beginning again.
const LOOK: Duration = Duration::from_millis(250);

/// The logs of an installation's processes, and how long each was when this was made.
#[derive(Debug)]
pub(super) struct Logs(Vec<(PathBuf, u64)>);

impl Logs {
    /// Whatever is written from now on.
    pub(super) fn from_now(scene: &Scene<'_>) -> Result<Self> {
        Self::of(scene.stage.site.folder())
    }

    fn of(folder: &Path) -> Result<Self> {
        let mut logs = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let length = fs::metadata(&path)?.len();
                logs.push((path, length));
            }
        }
        Ok(Self(logs))
    }

    /// How many lines hold all of these words.
    pub(super) fn count(&self, words: &[&str]) -> Result<u32> {
        let mut count = 0;
        for (path, from) in &self.0 {
            let mut log = File::open(path).with_context(|| path.display().to_string())?;
            log.seek(SeekFrom::Start(*from))?;
            let mut text = Vec::new();
            log.read_to_end(&mut text)?;
            let text = String::from_utf8_lossy(&text);
            let holds_all = |line: &&str| words.iter().all(|words| line.contains(words));
            count += text.lines().filter(holds_all).count();
        }
        Ok(u32::try_from(count)?)
    }

    /// Waits until that many lines hold these words.
    pub(super) async fn until(&self, least: u32, words: &str, limit: Duration) -> Result<()> {
        let since = Instant::now();
        while self.count(&[words])? < least {
            ensure!(since.elapsed() < limit, "no process has said '{words}' {least} times");
            sleep(LOOK).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_lines_from_then_on_count_and_only_those_with_all_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker-1.log");
        fs::write(&path, "running a batch again: 1213\n").unwrap();
        fs::write(folder.path().join("ledger.jsonl"), "").unwrap();
        let logs = Logs::of(folder.path()).unwrap();
        assert_eq!(logs.count(&["again"]).unwrap(), 0);
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"running a batch again: 1213\nrunning a batch again: 1205\n").unwrap();
        fs::write(folder.path().join("ledger.jsonl"), "running a batch again: 1213\n").unwrap();
        assert_eq!(logs.count(&["again"]).unwrap(), 2);
        assert_eq!(logs.count(&["again", "1213"]).unwrap(), 1);
        assert_eq!(logs.count(&["unheard of"]).unwrap(), 0);
    }
}

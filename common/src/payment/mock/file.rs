//! The ledger as a file that several processes read and append to, one at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::ledger::{self, Line};

/// An open ledger, and how far it was read. Reading and appending need the lock.
#[derive(Debug)]
pub(super) struct LedgerFile {
    file: File,
    read_to: u64,
    synced: bool,
}

impl LedgerFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(Self { file, read_to: 0, synced: false })
    }

    /// From now on what is appended is on the disk before [`LedgerFile::append`] returns.
    pub(super) fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    /// Waits until no other process holds the ledger. A process that dies gives its lock up.
    pub(super) fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    pub(super) fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    /// The next [`LedgerFile::catch_up`] reads from the start.
    pub(super) fn rewind(&mut self) {
        self.read_to = 0;
    }

    /// Whether the file has become shorter than what was read: somebody began a new ledger in its place.
    pub(super) fn was_cut(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.read_to)
    }

    /// Hands on every line that was appended since the last call, and cuts off a torn one: with the lock
    /// held, nobody is still writing it.
    pub(super) fn catch_up(&mut self, mut line: impl FnMut(&Line)) -> io::Result<()> {
        if self.file.metadata()?.len() == self.read_to {
            return Ok(());
        }
        let mut file = BufReader::with_capacity(1 << 16, &self.file);
        file.seek(SeekFrom::Start(self.read_to))?;
        let mut text = Vec::new();
        while file.read_until(b'\n', &mut text)? > 0 {
            if !text.ends_with(b"\n") {
                self.file.set_len(self.read_to)?;
                break;
            }
            line(&ledger::parse(&text, self.read_to)?);
            self.read_to += text.len() as u64;
            text.clear();
        }
        Ok(())
    }

    /// Appends whole lines after the last one read. On failure nothing of them stays, as far as it can
    /// still be had.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = (&self.file).write_all(lines);
        let kept = if self.synced { written.and_then(|()| self.file.sync_data()) } else { written };
        if let Err(error) = kept {
            self.file.set_len(self.read_to)?;
            return Err(error);
        }
        self.read_to += lines.len() as u64;
        Ok(())
    }
}

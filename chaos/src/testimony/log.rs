//! Every call of the clients with its outcome, one JSON object a line.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

/// How a call ended, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was done.
    Ok,
    /// It was not done, and the answer says why.
    Refused,
    /// Nobody can say.
    Unknown,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Call<'a> {
    /// Who called.
    pub who: &'a str,
    /// What for.
    pub what: &'a str,
    /// Which key, order or product.
    pub subject: &'a str,
    /// How it ended.
    pub ending: Ending,
    /// The status code, or what broke.
    pub answer: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    /// From the start of the log.
    at_ms: u128,
    took_ms: u128,
    #[serde(flatten)]
    call: Call<'a>,
}

#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    file: Mutex<BufWriter<File>>,
}

impl Log {
    pub(super) fn begin(file: &Path) -> Result<Self> {
        let file = Mutex::new(BufWriter::new(File::create(file)?));
        Ok(Self { started: Instant::now(), file })
    }

    pub(super) fn write(&self, at: Instant, call: Call<'_>) {
        let at_ms = at.duration_since(self.started).as_millis();
        let line = Line { at_ms, took_ms: at.elapsed().as_millis(), call };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk shows when the log is kept as evidence; it must not stop the clients.
        let _ = serde_json::to_writer(&mut *file, &line).map(|()| file.write_all(b"\n"));
    }

    pub(super) fn flush(&self) {
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

//! Every call of the clients with its outcome, one JSON object a line.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
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
    sheet: Mutex<Sheet>,
}

#[derive(Debug)]
struct Sheet {
    to: BufWriter<File>,
    /// The first line that could not be written.
    failed: Option<io::Error>,
}

impl Log {
    pub(super) fn begin(file: &Path) -> Result<Self> {
        let sheet = Sheet { to: BufWriter::new(File::create(file)?), failed: None };
        Ok(Self { started: Instant::now(), sheet: Mutex::new(sheet) })
    }

    pub(super) fn write(&self, at: Instant, call: Call<'_>) {
        let at_ms = at.duration_since(self.started).as_millis();
        let line = Line { at_ms, took_ms: at.elapsed().as_millis(), call };
        let mut sheet = self.sheet.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_writer(&mut sheet.to, &line).map_err(io::Error::from);
        // It is told in the end; a full disk must not stop the clients.
        if let Err(error) = written.and_then(|()| sheet.to.write_all(b"\n")) {
            sheet.failed.get_or_insert(error);
        }
    }

    /// Fails when a line is missing.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut sheet = self.sheet.lock().unwrap_or_else(PoisonError::into_inner);
        match sheet.failed.take() {
            Some(error) => Err(error),
            None => sheet.to.flush(),
        }
    }
}

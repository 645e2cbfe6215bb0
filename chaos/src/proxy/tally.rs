//! What has happened on a link.

use std::sync::{Arc, Mutex, PoisonError};

/// Counted since the start; `open` alone goes down again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that clients made, the refused ones as well.
    pub connections: u64,
    /// Connections that live now.
    pub open: u64,
    /// Bytes handed to the server.
    pub to_server: u64,
    /// Bytes handed to clients.
    pub to_client: u64,
    /// Connections reset because the target could not be reached.
    pub unreached: u64,
    /// New connections reset while the link was cut.
    pub refused: u64,
    /// Living connections reset by a cut.
    pub cut: u64,
    /// Chunks held back.
    pub delayed: u64,
    /// Bytes thrown away by a silent link.
    pub swallowed: u64,
    /// Connections reset by a truncation.
    pub truncated: u64,
    /// Connections reset in place of an answer.
    pub answers_lost: u64,
    /// Connections reset in place of a request.
    pub requests_lost: u64,
}

/// The tally as the connections share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Arc<Mutex<Tally>>);

impl Counts {
    pub(super) fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Tally {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ordermill_common::db::Db;
use ordermill_common::money::Currency;
use ordermill_common::user::Hasher;
use tokio_util::task::TaskTracker;

use crate::token::Tokens;
use crate::writes::Writes;

/// Handed to every handler; cheap to clone.
pub type AppState = Arc<App>;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    /// The door to the database.
    pub db: Db,
    /// Signs and reads access tokens.
    pub tokens: Tokens,
    /// Hashes and verifies passwords.
    pub hasher: Hasher,
    /// The installation's one currency.
    pub currency: Currency,
    /// What is written in batches, and how messages leave.
    pub writes: Writes,
    /// The requests at work; a drain waits for them.
    pub tasks: TaskTracker,
    open: AtomicBool,
}

impl App {
    /// Closed until [`App::open`]: requests are answered 503.
    pub fn new(db: Db, tokens: Tokens, hasher: Hasher, currency: Currency, writes: Writes) -> Self {
        let (tasks, open) = (TaskTracker::new(), AtomicBool::new(false));
        Self { db, tokens, hasher, currency, writes, tasks, open }
    }

    /// The database has been reached, and what it holds is safe and current.
    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// Whether requests are answered.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

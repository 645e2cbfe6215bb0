//! A payment gateway in a file, for development and tests. What a charge comes to is said by its token, and
//! what was decided is kept in a ledger that all workers share, as they would share a real gateway: each
//! opens it, or one process does (`ordermill-worker mock-gateway`) and the workers ask that.
//!
//! ```text
//! charge, void -> desk thread: lock the file, read what others appended, decide all that is waiting,
//!                              append a line a call, unlock -> answers
//! ```
//!
//! - Idempotent by key across processes: deciding and appending happen under one exclusive file lock.
//! - Every call leaves a line, also one that fails or is never answered; tests compare them with the database.
//! - A writer that is killed leaves at most one torn line, whose call nobody was answered; the next writer
//!   removes it. The file outlives any process; a machine's crash only one that was opened synced.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::gateway::{Charge, Gateway, GatewayError, Verdict};
use crate::id::PaymentId;
use book::{Answer, Call};
use desk::{Desk, Ticket};

mod book;
mod desk;
mod file;
pub mod ledger;
#[cfg(test)]
mod tests;

/// Where the ledger is unless the configuration says otherwise.
pub const DEFAULT_LEDGER: &str = "payments.jsonl";

/// Longer than any caller waits.
const SILENCE: Duration = Duration::from_mins(2);

/// The mock gateway. Dropping it ends its thread once what was asked is answered.
#[derive(Debug)]
pub struct MockGateway {
    desk: mpsc::Sender<Ticket>,
}

impl MockGateway {
    /// Opens the ledger, and makes it when missing; its folder must exist. `worker` is named in the lines.
    /// Reads nothing yet: the first call catches up with what others wrote.
    pub fn open(path: &Path, worker: &str) -> io::Result<Self> {
        Self::start(Desk::new(file::LedgerFile::open(path)?, worker))
    }

    /// As [`MockGateway::open`], and the lines are on the disk before anybody is answered. Calls that wait
    /// together share one sync.
    pub fn open_synced(path: &Path, worker: &str) -> io::Result<Self> {
        Self::start(Desk::new(file::LedgerFile::open(path)?.synced(), worker))
    }

    fn start(desk: Desk) -> io::Result<Self> {
        let (calls, waiting) = mpsc::channel();
        thread::Builder::new()
            .name("payment-ledger".to_owned())
            .spawn(move || desk.run(&waiting))?;
        Ok(Self { desk: calls })
    }

    async fn ask(&self, call: Call) -> Result<Answer, GatewayError> {
        let (reply, answer) = oneshot::channel();
        let gone = || GatewayError::Unavailable("the ledger's thread has ended".to_owned());
        self.desk.send(Ticket { call, reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn charge_and_wait(&self, charge: &Charge) -> Result<Verdict, GatewayError> {
        let mut answer = self.ask(Call::Charge { charge: charge.clone(), waited: false }).await?;
        if let Answer::Wait(wait) = answer {
            tokio::time::sleep(wait).await;
            answer = self.ask(Call::Charge { charge: charge.clone(), waited: true }).await?;
        }
        match answer {
            Answer::Verdict(verdict) => Ok(verdict),
            Answer::Silence | Answer::Wait(_) => {
                tokio::time::sleep(SILENCE).await;
                Err(GatewayError::TimedOut)
            }
            Answer::Unavailable => Err(GatewayError::Unavailable("it fails once".to_owned())),
        }
    }
}

impl Gateway for MockGateway {
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Verdict, GatewayError>> {
        Box::pin(self.charge_and_wait(charge))
    }

    fn void(&self, key: PaymentId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(async move { self.ask(Call::Void { key }).await.map(drop) })
    }
}

//! One direction of one connection.

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::Direction;
use super::connection::Shared;
use super::faults::Faults;
use super::tally::Counts;

const CHUNK: usize = 64 * 1024;

/// The connection is to be reset: by a fault, which is counted already, or because an end broke it.
#[derive(Debug)]
pub(super) struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// Carries what one end sends to the other.
pub(super) struct Pump<'a> {
    direction: Direction,
    shared: &'a Shared,
    faults: watch::Receiver<Faults>,
    counts: &'a Counts,
    /// The truncation that is known, and how many bytes it still lets through.
    budget: (u64, u64),
    /// The last bytes that were sent, in which a pattern may have begun.
    tail: Vec<u8>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        direction: Direction,
        shared: &'a Shared,
        faults: watch::Receiver<Faults>,
        counts: &'a Counts,
    ) -> Self {
        Self { direction, shared, faults, counts, budget: (0, 0), tail: Vec::new() }
    }

    /// Ends when the sender has closed and the receiver was told so, or was not to be told.
    pub(super) async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Broken> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer).await;
            let chunk = match &read {
                Ok(length) if *length > 0 => &buffer[..*length],
                _ if self.is_silent() => return Ok(()),
                Ok(_) => {
                    to.shutdown().await?;
                    return Ok(());
                }
                Err(_) => return Err(Broken),
            };
            self.lose(chunk)?;
            self.delay().await;
            if self.is_silent() {
                self.counts.note(|tally| tally.swallowed += chunk.len() as u64);
                continue;
            }
            let allowed = self.allowed(chunk.len());
            if to.write_all(&chunk[..allowed]).await.is_err() {
                self.receiver_is_gone()?;
                continue;
            }
            self.carried(allowed);
            if allowed < chunk.len() {
                self.counts.note(|tally| tally.truncated += 1);
                return Err(Broken);
            }
        }
    }

    /// Whether nothing that travels this pump's way arrives any more; once true it stays so.
    fn is_silent(&self) -> bool {
        self.silences(self.direction)
    }

    fn silences(&self, direction: Direction) -> bool {
        let lost = self.shared.lost(direction);
        if self.faults.borrow().silences(direction) {
            lost.store(true, Ordering::Relaxed);
        }
        lost.load(Ordering::Relaxed)
    }

    /// The receiver's reset travels the other way, where a silent link swallows it: then the sender talks on
    /// to nobody.
    fn receiver_is_gone(&self) -> Result<(), Broken> {
        if !self.silences(self.direction.opposite()) {
            return Err(Broken);
        }
        self.shared.lost(self.direction).store(true, Ordering::Relaxed);
        Ok(())
    }

    fn carried(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.counts.note(|tally| match self.direction {
            Direction::ToClient => tally.to_client += bytes,
            Direction::ToServer | Direction::Both => tally.to_server += bytes,
        });
    }

    /// Breaks the connection if this chunk is the request or the answer that is to be lost.
    fn lose(&mut self, chunk: &[u8]) -> Result<(), Broken> {
        if self.direction == Direction::ToClient {
            if self.shared.answer_due.load(Ordering::Relaxed) {
                self.counts.note(|tally| tally.answers_lost += 1);
                return Err(Broken);
            }
            return Ok(());
        }
        let lose = self.faults.borrow().lose.clone();
        let Some(lose) = lose else {
            self.tail.clear();
            return Ok(());
        };
        self.tail.extend_from_slice(chunk);
        let found = !lose.pattern.is_empty()
            && self.tail.windows(lose.pattern.len()).any(|bytes| bytes == lose.pattern);
        let keep = if found { 0 } else { lose.pattern.len().saturating_sub(1) };
        self.tail.drain(..self.tail.len().saturating_sub(keep));
        if !found || !lose.take() {
            return Ok(());
        }
        if lose.request {
            self.counts.note(|tally| tally.requests_lost += 1);
            return Err(Broken);
        }
        self.shared.answer_due.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for as long as the delay says; a shorter one, or healing, ends the wait.
    async fn delay(&mut self) {
        let delay = self.faults.borrow().delay;
        if delay.is_zero() {
            return;
        }
        self.counts.note(|tally| tally.delayed += 1);
        let shorter = self.faults.wait_for(|now| now.delay < delay);
        // Neither a wait that is over nor a proxy that is gone changes what follows.
        let _ = tokio::time::timeout(delay, shorter).await;
    }

    /// How many of these bytes a truncation lets through.
    fn allowed(&mut self, bytes: usize) -> usize {
        let truncate = self.faults.borrow().truncate;
        let Some(truncate) = truncate.filter(|it| it.direction.includes(self.direction)) else {
            return bytes;
        };
        if self.budget.0 != truncate.order {
            self.budget = (truncate.order, truncate.after);
        }
        let allowed = usize::try_from(self.budget.1).map_or(bytes, |left| left.min(bytes));
        self.budget.1 -= allowed as u64;
        allowed
    }
}

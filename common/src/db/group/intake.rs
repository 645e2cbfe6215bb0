//! Where members wait until a lane is free, and how a batch is cut from them.

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Limits, Refused, Unit, Weight};

/// A member, until when it is worth doing, and where its answer goes.
pub(super) struct Ticket<U: Unit> {
    pub(super) member: U::Member,
    pub(super) expires: Instant,
    pub(super) reply: oneshot::Sender<Result<U::Answer, Refused>>,
}

impl<U: Unit> std::fmt::Debug for Ticket<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("unit", &U::NAME).finish_non_exhaustive()
    }
}

impl<U: Unit> Ticket<U> {
    /// The caller may have gone; the work was done all the same.
    pub(super) fn answer(self, answer: Result<U::Answer, Refused>) {
        let _ = self.reply.send(answer);
    }
}

/// The shared end of the queue. A member that did not fit the last batch leads the next one.
pub(super) struct Intake<U: Unit> {
    waiting: mpsc::Receiver<Ticket<U>>,
    carried: Option<Ticket<U>>,
}

impl<U: Unit> Intake<U> {
    pub(super) fn new(waiting: mpsc::Receiver<Ticket<U>>) -> Self {
        Self { waiting, carried: None }
    }

    /// Waits for one member and takes with it whatever else is there, up to the limits; a single member
    /// above them goes alone. `None` when all callers are gone and nothing is left.
    pub(super) async fn next_batch(&mut self, unit: &U, limits: &Limits) -> Option<Vec<Ticket<U>>> {
        let mut batch = Vec::new();
        let mut room = Weight { lines: limits.lines, bytes: limits.bytes };
        let mut next = match self.carried.take() {
            Some(carried) => Some(carried),
            None => Some(self.waiting.recv().await?),
        };
        while let Some(ticket) = next {
            let weight = unit.weight(&ticket.member);
            let fits = weight.lines <= room.lines && weight.bytes <= room.bytes;
            if !fits && !batch.is_empty() {
                self.carried = Some(ticket);
                break;
            }
            room.lines = room.lines.saturating_sub(weight.lines);
            room.bytes = room.bytes.saturating_sub(weight.bytes);
            batch.push(ticket);
            if batch.len() >= limits.members.max(1) {
                break;
            }
            next = self.waiting.try_recv().ok();
        }
        Some(batch)
    }
}

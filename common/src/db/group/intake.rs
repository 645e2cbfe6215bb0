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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::batch::Locks;
    use crate::db::group::Slots;
    use crate::db::{Result, Tx};

    /// Members are only their weight.
    struct Parcels;

    impl Unit for Parcels {
        type Member = Weight;
        type Answer = ();
        const NAME: &'static str = "parcels";

        fn weight(&self, parcel: &Weight) -> Weight {
            *parcel
        }

        async fn write(
            &self,
            _: &mut Tx<'_>,
            _: &[&Weight],
            _: Locks,
            _: &mut Slots<()>,
        ) -> Result<()> {
            unreachable!("nothing is written here")
        }
    }

    async fn sizes(parcels: Vec<Weight>) -> Vec<usize> {
        let (intake, waiting) = mpsc::channel(parcels.len());
        for member in parcels {
            let (reply, _) = oneshot::channel();
            let ticket = Ticket { member, expires: Instant::now(), reply };
            assert!(intake.try_send(ticket).is_ok());
        }
        drop(intake);
        let (mut intake, mut sizes) = (Intake::<Parcels>::new(waiting), Vec::new());
        let limits = Limits::new(1, 200, Duration::ZERO);
        while let Some(batch) = intake.next_batch(&Parcels, &limits).await {
            sizes.push(batch.len());
        }
        sizes
    }

    #[tokio::test]
    async fn a_batch_closes_at_each_of_its_limits_and_what_is_larger_goes_alone() {
        let weight = |lines, bytes| Weight { lines, bytes };
        assert_eq!(sizes(vec![weight(1, 1); 450]).await, [200, 200, 50]);
        assert_eq!(sizes(vec![weight(1_500, 1); 5]).await, [2, 2, 1]);
        assert_eq!(sizes(vec![weight(4_000, 1); 2]).await, [1, 1]);
        assert_eq!(sizes(vec![weight(1, 1 << 20); 5]).await, [2, 2, 1]);
        let (light, heavy) = (weight(1, 1), weight(9_000, 9 << 20));
        assert_eq!(sizes(vec![light, light, heavy, light, heavy]).await, [2, 1, 1, 1]);
    }
}

//! The walk of one order through the worker, told once: reserve, charge, settle, and void where it must be.
//!
//! Each step ends in a durable next step before the delivery is acked: the order has ended, or a row with a
//! `wake_at` brings it back.

use std::time::{Duration, Instant};

use ordermill_common::broker::Disposition;
use ordermill_common::clock;
use ordermill_common::db::Db;
use ordermill_common::db::group::{GroupCommit, Limits, Refused};
use ordermill_common::id::{OrderId, PaymentId};
use ordermill_common::trace::RequestId;
use tokio_util::task::TaskTracker;

use crate::cancel::{Cancel, Cancelled, Wish};
use crate::charge::Till;
use crate::decide::CallOutcome;
use crate::reserve::{Reserve, Reserved, Wake};
use crate::settle::{Report, Settle, Settled};
use crate::task::{Holder, Task};

/// How long a delivery waits for a place in a batch.
const DEADLINE: Duration = Duration::from_secs(20);

/// The stages of this worker. Cheap to clone; the lanes end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Pipeline {
    holder: Holder,
    till: Till,
    reserve: GroupCommit<Reserve>,
    settle: GroupCommit<Settle>,
    cancel: GroupCommit<Cancel>,
}

impl Pipeline {
    /// Starts the lanes of each stage as tasks of the tracker.
    pub fn start(db: &Db, holder: Holder, till: Till, limits: Limits, tasks: &TaskTracker) -> Self {
        let reserve = Reserve { db: db.clone(), holder };
        Self {
            holder,
            till,
            reserve: GroupCommit::start(db, reserve, limits, tasks),
            settle: GroupCommit::start(db, Settle { holder }, limits, tasks),
            cancel: GroupCommit::start(db, Cancel { holder }, limits, tasks),
        }
    }

    /// Handles the wake-up of a checkout, or of an order whose payment is unfinished.
    pub async fn checkout(&self, order_id: OrderId, request: &RequestId) -> Disposition {
        let leased_until = Instant::now() + self.holder.lease;
        let wake = Wake { order_id, payment_id: PaymentId::mint(), at: clock::now() };
        match self.reserve.submit(wake, DEADLINE).await {
            Ok(Reserved::Charge(task)) => {
                tracing::info!(payment.id = %task.payment_id, "order reserved");
                let outcome = self.till.charge(&task, request, leased_until).await;
                self.settle(order_id, outcome).await
            }
            Ok(Reserved::Void(task)) => self.void(task, leased_until).await,
            Ok(Reserved::Ended(status)) => {
                tracing::info!(%status, "order ended");
                Disposition::Ack
            }
            Ok(Reserved::Held) => {
                tracing::debug!("somebody else is at work on the order");
                Disposition::Ack
            }
            Ok(Reserved::PutOff) => put_off(),
            Ok(Reserved::Unknown) => {
                tracing::error!("no checkout for this message");
                Disposition::Dead
            }
            Err(refused) => hand_back(refused),
        }
    }

    /// Handles the wake-up of a wish to cancel.
    pub async fn cancel(&self, order_id: OrderId) -> Disposition {
        let leased_until = Instant::now() + self.holder.lease;
        match self.cancel.submit(Wish { order_id, at: clock::now() }, DEADLINE).await {
            Ok(Cancelled::Done(status)) => {
                tracing::info!(%status, "cancellation decided");
                Disposition::Ack
            }
            Ok(Cancelled::Void(task)) => {
                tracing::info!(status = "cancelled", "cancellation decided");
                self.void(task, leased_until).await
            }
            Ok(Cancelled::PutOff) => put_off(),
            Ok(Cancelled::Unknown) => {
                tracing::error!("no cancellation for this message");
                Disposition::Dead
            }
            Err(refused) => hand_back(refused),
        }
    }

    async fn void(&self, task: Task, leased_until: Instant) -> Disposition {
        let outcome = self.till.void(&task, leased_until).await;
        self.settle(task.order_id, outcome).await
    }

    /// Writes the outcome; a void that follows from it is made and written as well.
    async fn settle(&self, order_id: OrderId, mut outcome: CallOutcome) -> Disposition {
        loop {
            if let CallOutcome::NoVerdict(call, why) = &outcome {
                tracing::warn!(
                    call = call.as_str(),
                    outcome = why,
                    "no verdict from the payment gateway"
                );
            }
            let leased_until = Instant::now() + self.holder.lease;
            let report = Report { order_id, outcome: outcome.clone(), at: clock::now() };
            match self.settle.submit(report, DEADLINE).await {
                Ok(Settled::Done(status)) => {
                    tracing::info!(%status, outcome = outcome.as_str(), "order settled");
                    return Disposition::Ack;
                }
                Ok(Settled::Void(task)) => outcome = self.till.void(&task, leased_until).await,
                Ok(Settled::Again) => {}
                Ok(Settled::PutOff) => return put_off(),
                Err(refused) => return hand_back(refused),
            }
        }
    }
}

fn put_off() -> Disposition {
    tracing::info!("put off; it will be woken again");
    Disposition::Ack
}

/// Nothing is known to have been written: the broker hands the message out again. Should it give up, the
/// order's `wake_at` still stands.
fn hand_back(refused: Refused) -> Disposition {
    tracing::warn!(%refused, "handing the message back");
    Disposition::Retry
}

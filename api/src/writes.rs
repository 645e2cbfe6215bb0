//! What a request writes in batches with others, and how its messages leave.

use std::time::Duration;

use ordermill_common::broker::{Broker, Publisher};
use ordermill_common::cart::{Cart, CartWrites, Change, Op, Refusal};
use ordermill_common::checkout::{Accept, Accepts, Answer};
use ordermill_common::clock;
use ordermill_common::config::BatchArgs;
use ordermill_common::db::Db;
use ordermill_common::db::group::{GroupCommit, Refused};
use ordermill_common::id::{OwnerId, UserId};
use ordermill_common::outbox::{OutboxRow, Relay, RelayConfig, RelayHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a batch is tried again before its requests are refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a request waits for a batch to take it.
const DEADLINE: Duration = Duration::from_secs(5);

/// The lanes of this process and its relay.
pub struct Writes {
    /// This process, as the holder of its outbox rows' leases.
    pub owner: OwnerId,
    carts: GroupCommit<CartWrites>,
    accepts: GroupCommit<Accepts>,
    relay: RelayHandle,
}

impl std::fmt::Debug for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writes").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Writes {
    /// Starts lanes and relay as tasks of the tracker; neither server has to be there yet. The relay
    /// publishes what it has been told of and ends after `leave`.
    pub fn start(
        db: &Db,
        broker: &Broker,
        batch: &BatchArgs,
        leave: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let (owner, limits) = (OwnerId::mint(), batch.limits(PATIENCE));
        let lanes = TaskTracker::new();
        let publisher = Publisher::start(broker, tasks);
        Self {
            owner,
            carts: GroupCommit::start(db, CartWrites, limits, &lanes),
            accepts: GroupCommit::start(db, Accepts { owner }, limits, &lanes),
            relay: Relay::start(db, publisher, RelayConfig::new(owner), leave.clone(), tasks),
        }
    }

    /// Changes the buyer's cart and answers it as it is after this very change.
    pub async fn change_cart(
        &self,
        user: UserId,
        op: Op,
    ) -> Result<Result<Cart, Refusal>, Refused> {
        self.carts.submit(Change { user, op, at: clock::now() }, DEADLINE).await
    }

    /// Accepts what is in the buyer's cart; the message that wakes a worker is on its way when it answers.
    pub async fn accept(&self, asked: Accept) -> Result<Answer, Refused> {
        let message = asked.message();
        let answer = self.accepts.submit(asked, DEADLINE).await?;
        if matches!(answer, Answer::Accepted(_)) {
            self.publish(message);
        }
        Ok(answer)
    }

    /// Hands a committed outbox row to the relay.
    pub fn publish(&self, row: OutboxRow) {
        self.relay.hint([row]);
    }

    /// Why the broker cannot be reached, if it cannot. Requests are answered all the same.
    pub fn broker_is_away(&self) -> Option<String> {
        let link = self.relay.link();
        (!link.is_open()).then(|| link.state().to_string())
    }
}

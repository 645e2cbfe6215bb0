//! The queues. All are quorum queues: they confirm a message when it is on disk.
//!
//! | queue | holds | limit of deliveries | beyond it |
//! |---|---|---|---|
//! | `orders.checkout` | wake-ups of checkouts | 10 | `orders.dead`, at least once |
//! | `orders.cancel` | wake-ups of cancellations, so that no backlog delays them | 10 | `orders.dead`, at least once |
//! | `orders.dead` | what died, until a worker wakes its order again or parks it | practically none | |
//!
//! The limits are explicit and positive because their defaults differ: none up to 3.13, twenty and then
//! *dropped* from 4.0 on. Dead-lettering at least once needs the strategy, `reject-publish` and the target
//! together, or it silently falls back to at most once.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ErrorKind};

use super::connection::{Broker, Connection, close, close_channel, open_channel};
use super::error::{Error, Result, within};

/// How often a message of the working queues is delivered before it counts as dead.
pub const DELIVERY_LIMIT: i64 = 10;
const UNLIMITED_DELIVERIES: i64 = 1_000_000_000;
/// Far above any backlog that was seen; beyond it the broker nacks and the outbox keeps the rows.
const MAX_LENGTH: i64 = 2_000_000;
const DECLARE: Duration = Duration::from_secs(30);
/// 406: the queue exists with other arguments.
const PRECONDITION_FAILED: u16 = 406;
/// 541: so a quorum queue answers whose processes are gone, or have no quorum.
pub(super) const INTERNAL_ERROR: u16 = 541;

/// Our queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Wake-ups of checkouts.
    Checkout,
    /// Wake-ups of cancellations.
    Cancel,
    /// What died on the other two.
    Dead,
}

impl Queue {
    /// Every queue; the target of dead letters comes first, so that it exists when it is needed.
    pub const ALL: [Self; 3] = [Self::Dead, Self::Checkout, Self::Cancel];

    /// The name without the installation's prefix.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Checkout => "orders.checkout",
            Self::Cancel => "orders.cancel",
            Self::Dead => "orders.dead",
        }
    }

    fn arguments(self, broker: &Broker) -> FieldTable {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let number = |number: i64| AMQPValue::LongLongInt(number);
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        if self == Self::Dead {
            arguments.insert("x-delivery-limit".into(), number(UNLIMITED_DELIVERIES));
            return arguments;
        }
        let dead = broker.queue_name(Self::Dead);
        arguments.insert("x-delivery-limit".into(), number(DELIVERY_LIMIT));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(&dead));
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments.insert("x-max-length".into(), number(MAX_LENGTH));
        arguments
    }
}

/// Declares every queue, each that exists is left as it is. One that exists with other arguments is
/// [`Error::OtherArguments`].
pub async fn declare(broker: &Broker) -> Result<()> {
    let connection = broker.connect("declare").await?;
    let declared = declare_on(broker, &connection).await;
    close(connection).await;
    declared
}

/// As [`declare`], in a channel of its own: a refusal closes the channel that asked.
pub(super) async fn declare_on(broker: &Broker, connection: &Connection) -> Result<()> {
    let channel = open_channel(connection).await?;
    for queue in Queue::ALL {
        declare_queue(broker, &channel, queue).await?;
    }
    close_channel(&channel).await;
    Ok(())
}

async fn declare_queue(broker: &Broker, channel: &Channel, queue: Queue) -> Result<()> {
    let name = broker.queue_name(queue);
    let options = QueueDeclareOptions::durable();
    let declaring = channel.queue_declare(name.as_str().into(), options, queue.arguments(broker));
    match tokio::time::timeout(DECLARE, declaring).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refused)) if reply_code(&refused) == Some(PRECONDITION_FAILED) => {
            Err(Error::OtherArguments { queue: name, source: Box::new(refused) })
        }
        Ok(Err(source)) => Err(Error::failed("declare a queue", source)),
        Err(_late) => Err(Error::TimedOut { doing: "declare a queue" }),
    }
}

/// Deletes the queue, whatever is in it, and declares it anew: the only cure for a quorum queue that does not come
/// back after a crash of its broker. What is lost are hints, whose orders wake by themselves.
pub(super) async fn replace(broker: &Broker, queue: Queue) -> Result<()> {
    let connection = broker.connect("replace").await?;
    let channel = open_channel(&connection).await?;
    delete_queue(broker, &channel, queue).await?;
    declare_queue(broker, &channel, queue).await?;
    close(connection).await;
    Ok(())
}

async fn delete_queue(broker: &Broker, channel: &Channel, queue: Queue) -> Result<()> {
    let name = broker.queue_name(queue);
    let deleting = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
    within(DECLARE, "delete a queue", deleting).await?;
    Ok(())
}

pub(super) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(refused) => Some(refused.get_id()),
        _ => None,
    }
}

/// How many messages are ready in the queue, asked without changing it; an error when it is gone.
pub(super) async fn ready(channel: &Channel, name: &Arc<str>, limit: Duration) -> Result<u32> {
    let options = QueueDeclareOptions::durable().passive();
    let asking = channel.queue_declare(name.as_ref().into(), options, FieldTable::default());
    Ok(within(limit, "look at the queue", asking).await?.message_count())
}

/// Empties the working queues, and answers how many messages were lost. For tests.
pub async fn purge_topology(broker: &Broker) -> Result<u32> {
    let connection = broker.connect("purge").await?;
    let channel = open_channel(&connection).await?;
    let mut lost = 0;
    for queue in [Queue::Checkout, Queue::Cancel] {
        let name = broker.queue_name(queue);
        let purging = channel.queue_purge(name.as_str().into(), QueuePurgeOptions::default());
        lost += within(DECLARE, "purge a queue", purging).await?;
    }
    close(connection).await;
    Ok(lost)
}

/// Deletes every queue with what it holds. For tests, which have a prefix of their own.
pub async fn delete_topology(broker: &Broker) -> Result<()> {
    let connection = broker.connect("delete").await?;
    let channel = open_channel(&connection).await?;
    for queue in [Queue::Checkout, Queue::Cancel, Queue::Dead] {
        delete_queue(broker, &channel, queue).await?;
    }
    close(connection).await;
    Ok(())
}

/// Deletes every queue and declares it in the broker's plainest form, which is not ours. For tests of what
/// happens when somebody else was first; fails when a process of ours was faster.
pub async fn declare_plain(broker: &Broker) -> Result<()> {
    let connection = broker.connect("declare otherwise").await?;
    let channel = open_channel(&connection).await?;
    for queue in Queue::ALL {
        delete_queue(broker, &channel, queue).await?;
        let name = broker.queue_name(queue);
        let options = QueueDeclareOptions::durable();
        let declaring = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        within(DECLARE, "declare a queue", declaring).await?;
    }
    close(connection).await;
    Ok(())
}

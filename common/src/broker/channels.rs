//! A pool of publishing channels for what is sent now and then, by hand or aside: tests and the chaos
//! harness send through it what no process would. The relay and the consumers own their channels.
//!
//! A channel whose confirm is outstanding is closed and never returned: the next user could be given the
//! confirm of somebody else's message. Its connection goes with it: the message may be half written, and what
//! follows on the same connection would be taken for the rest of it.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Mutex;

use super::Envelope;
use super::connection::{Broker, Connection, open_confirm_channel};
use super::error::{Error, Result, within};
use super::publisher::Outcome;
use super::publisher::round::{properties, publish};
use super::topology::Queue;

const WAIT: Duration = Duration::from_secs(2);
const CREATE: Duration = Duration::from_secs(15);
const RECYCLE: Duration = Duration::from_secs(2);
const WRITE: Duration = Duration::from_secs(5);
const CONFIRM: Duration = Duration::from_secs(12);

/// A pool of confirming channels on one shared connection; cheap to clone, connects when it is used.
#[derive(Clone, Debug)]
pub struct ChannelPool {
    broker: Broker,
    pool: Pool<Channels>,
}

impl ChannelPool {
    /// A pool of at most `channels`.
    pub fn new(broker: &Broker, channels: usize) -> Self {
        let manager = Channels { broker: broker.clone(), shared: Mutex::new(None) };
        let pool = Pool::builder(manager)
            .max_size(channels.max(1))
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CREATE))
            .recycle_timeout(Some(RECYCLE))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a runtime is set, as timeouts need");
        Self { broker: broker.clone(), pool }
    }

    /// Sends one message to its kind's queue and waits for the confirm.
    pub async fn publish(&self, envelope: &Envelope) -> Result<Outcome> {
        self.send(envelope.kind.queue(), &envelope.encode(), properties(envelope)).await
    }

    /// Sends a body as it is, for tools and tests that need messages which no code of ours would make.
    pub async fn publish_raw(
        &self,
        queue: Queue,
        message_id: &str,
        body: &[u8],
    ) -> Result<Outcome> {
        let id = lapin::types::ShortString::try_new(message_id)
            .map_err(|_| Error::Settings("the message id is too long".to_owned()))?;
        let properties = BasicProperties::default().with_message_id(id).with_delivery_mode(2);
        self.send(queue, body, properties).await
    }

    async fn send(
        &self,
        queue: Queue,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Outcome> {
        let mut held: Object<Channels> = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            _ => Error::TimedOut { doing: "get a channel" },
        })?;
        held.outstanding = true;
        let writing = publish(&held.channel, self.broker.queue_name(queue), body, properties);
        let confirming = within(WRITE, "write a message", writing).await?;
        let outcome = match within(CONFIRM, "have a message confirmed", confirming).await {
            Ok(Confirmation::Ack(None)) => Outcome::Confirmed,
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => Outcome::Returned,
            Ok(Confirmation::Nack(None)) => Outcome::Nacked,
            Ok(Confirmation::NotRequested) | Err(_) => return Ok(Outcome::Unknown),
        };
        held.outstanding = false;
        Ok(outcome)
    }
}

#[derive(Debug)]
struct Channels {
    broker: Broker,
    shared: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Confirming {
    channel: Channel,
    outstanding: bool,
}

impl Manager for Channels {
    type Type = Confirming;
    type Error = Error;

    async fn create(&self) -> Result<Confirming> {
        let mut shared = self.shared.lock().await;
        if !shared.as_ref().is_some_and(|connection| connection.status().connected()) {
            *shared = Some(self.broker.connect("tools").await?);
        }
        let connection = shared.as_ref().expect("it was just made");
        Ok(Confirming { channel: open_confirm_channel(connection).await?, outstanding: false })
    }

    async fn recycle(&self, held: &mut Confirming, _: &Metrics) -> RecycleResult<Error> {
        if held.outstanding {
            *self.shared.lock().await = None;
        }
        if held.outstanding || !held.channel.status().connected() {
            return Err(RecycleError::message("the channel is in trouble"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::broker::{Kind, declare, delete_topology};
    use crate::id::{MessageId, OrderId};
    use crate::trace::RequestId;

    fn broker() -> Broker {
        let url = ordermill_scratch::server("AMQP_URL");
        Broker::new(&url, &format!("{}.", ordermill_scratch::fresh_name())).unwrap()
    }

    fn message() -> Envelope {
        let (id, order) = (MessageId::mint(), OrderId::mint());
        Envelope::new(id, Kind::OrderCheckoutV1, order, RequestId::mint())
    }

    /// How often the pool's only channel has come back to it.
    async fn returns(pool: &ChannelPool) -> usize {
        Object::metrics(&pool.pool.get().await.unwrap()).recycle_count
    }

    #[tokio::test]
    async fn a_channel_whose_confirm_is_outstanding_is_not_given_to_the_next() {
        let broker = broker();
        declare(&broker).await.unwrap();
        let pool = ChannelPool::new(&broker, 1);
        assert_eq!(pool.publish(&message()).await.unwrap(), Outcome::Confirmed);
        assert_eq!(returns(&pool).await, 1);
        let message = message();
        // Its caller goes away while the message is on its way.
        assert!(pool.publish(&message).now_or_never().is_none());
        assert_eq!(returns(&pool).await, 0);
        assert_eq!(pool.publish(&message).await.unwrap(), Outcome::Confirmed);
        delete_topology(&broker).await.unwrap();
    }
}

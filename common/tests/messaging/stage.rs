//! A test's own database and queues, and how it waits for facts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use ordermill_common::broker::{
    Broker, ChannelPool, Consumer, ConsumerConfig, Delivery, Disposition, Envelope, Kind, Link,
    Publisher, Queue, delete_topology,
};
use ordermill_common::db::{self, Db};
use ordermill_common::id::{MessageId, OrderId, OwnerId};
use ordermill_common::outbox::{OutboxRow, Relay, RelayConfig, RelayHandle, store};
use ordermill_common::trace::RequestId;
use ordermill_scratch::{Database, server};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) struct Stage {
    pub(crate) db: Db,
    pub(crate) broker: Broker,
    pub(crate) amqp_url: String,
    pub(crate) prefix: String,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    // Gone with the stage.
    _database: Database,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_on(server("AMQP_URL")).await
    }

    /// With a broker that the test may kill.
    pub(crate) async fn set_on(amqp_url: String) -> Self {
        let database = Database::create().await;
        let db = Db::new(&database.url(), 4).unwrap();
        db::migrate(&db).await.unwrap();
        let prefix = format!("{}.", database.name());
        let broker = Broker::new(&amqp_url, &prefix).unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        Self { db, broker, amqp_url, prefix, tasks, shutdown, _database: database }
    }

    /// The same queues, reached through another address.
    pub(crate) fn broker_at(&self, address: &str) -> Broker {
        let (head, rest) = self.amqp_url.rsplit_once('@').expect("AMQP_URL has a user");
        let (_, vhost) = rest.split_once('/').expect("AMQP_URL has a virtual host");
        Broker::new(&format!("{head}@{address}/{vhost}"), &self.prefix).unwrap()
    }

    pub(crate) async fn publisher(&self) -> Publisher {
        let publisher = Publisher::start(&self.broker, &self.tasks);
        open(&mut publisher.link()).await;
        publisher
    }

    pub(crate) fn relay_on(&self, broker: &Broker, config: RelayConfig) -> RelayHandle {
        let publisher = Publisher::start(broker, &self.tasks);
        Relay::start(&self.db, publisher, config, self.shutdown.clone(), &self.tasks)
    }

    /// Starts a consumer that notes what it gets and acks it.
    pub(crate) fn receive(&self, broker: &Broker, config: ConsumerConfig) -> (Received, Link) {
        let received = Received::default();
        let noting = received.clone();
        let link = self.consume(broker, config, move |delivery| {
            noting.note(&delivery);
            async { Disposition::Ack }
        });
        (received, link)
    }

    pub(crate) fn consume<H, F>(&self, broker: &Broker, config: ConsumerConfig, handler: H) -> Link
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Disposition> + Send + 'static,
    {
        let consumer = Consumer::new(broker, config);
        let link = consumer.link();
        self.tasks.spawn(consumer.run(handler, self.shutdown.clone()));
        link
    }

    /// Writes the rows in one transaction, leased to `owner`.
    pub(crate) async fn insert(&self, owner: OwnerId, lease: Duration, rows: &[OutboxRow]) {
        let mut tx = self.db.pool().begin().await.unwrap();
        store::insert_leased(&mut tx, owner, lease, rows).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn pending(&self) -> i64 {
        let count = sqlx::query_scalar("select count(*) from outbox");
        count.fetch_one(self.db.pool()).await.unwrap()
    }

    pub(crate) async fn is_pending(&self, row: &OutboxRow) -> bool {
        let there = sqlx::query("select id from outbox where id = ?").bind(row.id);
        there.fetch_optional(self.db.pool()).await.unwrap().is_some()
    }

    pub(crate) async fn pool(&self) -> ChannelPool {
        ordermill_common::broker::declare(&self.broker).await.unwrap();
        ChannelPool::new(&self.broker, 2)
    }

    /// A connection behind our broker's back.
    pub(crate) async fn back_door(&self) -> lapin::Channel {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(&self.amqp_url, properties).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    pub(crate) async fn delete_queue(&self, queue: Queue) {
        let name = self.broker.queue_name(queue);
        let channel = self.back_door().await;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// How many messages are ready; the queue must exist.
    pub(crate) async fn ready(&self, queue: Queue) -> u32 {
        let name = self.broker.queue_name(queue);
        let options = QueueDeclareOptions::durable().passive();
        let channel = self.back_door().await;
        let found = channel.queue_declare(name.into(), options, FieldTable::default()).await;
        found.unwrap().message_count()
    }

    pub(crate) async fn take(&self, queue: Queue) -> Option<Vec<u8>> {
        let name = self.broker.queue_name(queue);
        let channel = self.back_door().await;
        let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: true }).await.unwrap();
        got.map(|message| message.delivery.data)
    }

    /// Ends what was started and waits for it.
    pub(crate) async fn drain(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(30), self.tasks.wait()).await.expect("it ends");
    }
}

/// The publisher's task ends with its last holder.
impl Stage {
    pub(crate) async fn drain_without(&self, publisher: Publisher) {
        drop(publisher);
        self.drain().await;
    }
}

/// A failed test cleans up as well.
impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let broker = self.broker.clone();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let _ = delete_topology(&broker).await;
            });
        });
        let _ = cleaning.join();
    }
}

/// What a consumer got: how often each message came.
#[derive(Clone, Default)]
pub(crate) struct Received(Arc<Mutex<HashMap<String, u32>>>);

impl Received {
    pub(crate) fn note(&self, delivery: &Delivery) {
        let id = delivery.message_id.clone().expect("our messages have ids");
        *self.0.lock().unwrap().entry(id).or_default() += 1;
    }

    pub(crate) fn different(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn doubled(&self) -> usize {
        self.0.lock().unwrap().values().filter(|times| **times > 1).count()
    }

    pub(crate) fn has(&self, rows: &[OutboxRow]) -> bool {
        let got = self.0.lock().unwrap();
        rows.iter().all(|row| got.contains_key(&row.id.to_string()))
    }
}

pub(crate) fn row(kind: Kind) -> OutboxRow {
    let (id, order_id) = (MessageId::mint(), OrderId::mint());
    OutboxRow { id, kind, order_id, request_id: RequestId::mint() }
}

pub(crate) fn rows(count: usize) -> Vec<OutboxRow> {
    (0..count).map(|_| row(Kind::OrderCheckoutV1)).collect()
}

pub(crate) fn envelopes(count: usize) -> Vec<Envelope> {
    rows(count).into_iter().map(Envelope::from).collect()
}

pub(crate) fn config(queue: Queue) -> ConsumerConfig {
    let drain = Duration::from_secs(5);
    let pause = Duration::from_millis(20);
    ConsumerConfig { retry_pause: pause, ..ConsumerConfig::new(queue, 200, drain) }
}

pub(crate) async fn open(link: &mut Link) {
    let opening = tokio::time::timeout(Duration::from_secs(30), link.until_open());
    assert!(opening.await.expect("it connects"));
}

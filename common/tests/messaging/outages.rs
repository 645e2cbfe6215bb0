//! The broker goes away in every way that it can; nothing accepted is lost and nobody is restarted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ordermill_common::broker::{Broker, ConsumerConfig, Disposition, Queue, declare};
use ordermill_common::id::OwnerId;
use ordermill_common::outbox::{LEASE, OutboxRow, RelayConfig, RelayHandle};
use ordermill_scratch::{Cable, Proxy, within};
use tokio::net::TcpListener;
use xtask::progress::Progress;
use xtask::servers::Servers;

use crate::stage::{Received, Stage, config, envelopes, open, rows};

/// A relay and a consumer behind a cable.
pub(crate) struct Shop {
    stage: Stage,
    proxy: Proxy,
    relay: RelayHandle,
    owner: OwnerId,
    received: Received,
    sent: Vec<OutboxRow>,
}

impl Shop {
    async fn open() -> Self {
        Self::open_on(Stage::set().await).await
    }

    pub(crate) async fn open_on(stage: Stage) -> Self {
        let proxy = Proxy::before(&stage.amqp_url).await;
        let broker = stage.broker_at(proxy.address());
        let watchful =
            ConsumerConfig { watch_every: Duration::from_secs(1), ..config(Queue::Checkout) };
        let (received, mut link) = stage.receive(&broker, watchful);
        let relay_config = RelayConfig::new(OwnerId::mint());
        let relay = stage.relay_on(&broker, relay_config);
        open(&mut relay.link()).await;
        open(&mut link).await;
        let owner = relay_config.owner;
        Self { stage, proxy, relay, owner, received, sent: Vec::new() }
    }

    async fn accept(&mut self, count: usize) {
        let rows = rows(count);
        self.stage.insert(self.owner, LEASE, &rows).await;
        self.relay.hint(rows.iter().cloned());
        self.sent.extend(rows);
    }

    /// Accepts messages while the broker dies and comes back, several times.
    pub(crate) async fn outlives(mut self, kill: impl Fn(), restart: impl Fn()) {
        for _ in 0..3 {
            self.accept(3000).await;
            tokio::task::block_in_place(&kill);
            self.accept(500).await;
            within(60, "the death is noticed", async || !self.relay.link().is_open()).await;
            self.accept(500).await;
            tokio::task::block_in_place(&restart);
            open(&mut self.relay.link()).await;
        }
        self.everything_arrives(60).await;
        self.stage.drain().await;
    }

    async fn everything_arrives(&self, seconds: u64) {
        within(seconds, "all are received", async || self.received.has(&self.sent)).await;
        within(seconds, "all are removed", async || self.stage.pending().await == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_cable_loses_nothing() {
    let mut shop = Shop::open().await;
    for _ in 0..5 {
        shop.accept(2000).await;
        shop.proxy.set(Cable::Cut);
        shop.accept(500).await;
        within(60, "the cut is noticed", async || !shop.relay.link().is_open()).await;
        shop.proxy.set(Cable::Whole);
        open(&mut shop.relay.link()).await;
    }
    shop.everything_arrives(60).await;
    shop.stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_cable_is_noticed_and_loses_nothing() {
    let mut shop = Shop::open().await;
    let before = shop.proxy.open();
    shop.accept(500).await;
    shop.proxy.set(Cable::Silent);
    shop.accept(500).await;
    within(30, "the silence is noticed", async || !shop.relay.link().is_open()).await;
    shop.proxy.set(Cable::Whole);
    open(&mut shop.relay.link()).await;
    shop.accept(500).await;
    shop.everything_arrives(60).await;
    within(30, "the lost ones are gone", async || shop.proxy.open() <= before).await;
    shop.stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_comes_back_and_nothing_accepted_is_lost() {
    let folder = tempfile::TempDir::new().unwrap();
    let servers = tokio::task::block_in_place(|| Servers::start(folder.path(), Progress::Quiet));
    let servers = Mutex::new(servers.unwrap());
    let amqp_url = lock(&servers).amqp_url();
    let shop = Shop::open_on(Stage::set_on(amqp_url).await).await;
    shop.outlives(|| lock(&servers).kill_broker(), || lock(&servers).restart_broker().unwrap())
        .await;
}

/// As the broker does when a delivery is held for longer than it allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_is_opened_again_and_its_messages_come_again() {
    let folder = tempfile::TempDir::new().unwrap();
    let servers = tokio::task::block_in_place(|| {
        let servers = Servers::start(folder.path(), Progress::Quiet).unwrap();
        let impatient = "application:set_env(rabbit, consumer_timeout, 1000), \
            application:set_env(rabbit, channel_tick_interval, 200).";
        servers.ask_broker(&["eval", impatient]).unwrap();
        servers
    });
    let stage = Stage::set_on(servers.amqp_url()).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let trying = Arc::clone(&tries);
    // Nobody hands the first one back: it is held for a minute.
    let config = ConsumerConfig { drain: Duration::from_secs(1), ..config(Queue::Checkout) };
    let mut link = stage.consume(&stage.broker, config, move |_| {
        let is_first = trying.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if is_first {
                std::future::pending::<()>().await;
            }
            Disposition::Ack
        }
    });
    open(&mut link).await;
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(1)).await;
    within(20, "the message comes again", async || tries.load(Ordering::SeqCst) == 2).await;
    stage.drain_without(publisher).await;
    assert_eq!(stage.ready(Queue::Checkout).await, 0, "what is not acked would be back");
}

fn lock(servers: &Mutex<Servers>) -> MutexGuard<'_, Servers> {
    servers.lock().unwrap()
}

/// Attempts in vain, each until it fails or until nobody waits any more; then everything that they started has
/// to end. A test has a runtime of its own, so its tasks are all counted here.
async fn leaves_nothing_behind(address: &str) {
    let broker = Broker::new(&format!("amqp://guest:guest@{address}/%2f"), "nobody.").unwrap();
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    for _ in 0..20 {
        let attempt = tokio::time::timeout(Duration::from_millis(100), declare(&broker)).await;
        assert!(!matches!(attempt, Ok(Ok(()))), "there is no broker");
    }
    within(60, "all of it has ended", async || tasks.num_alive_tasks() <= before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_in_vain_leaves_nothing_behind() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing = port.local_addr().unwrap().to_string();
    drop(port);
    leaves_nothing_behind(&refusing).await;

    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = port.local_addr().unwrap().to_string();
    // The system answers for a port that nobody takes connections from.
    leaves_nothing_behind(&silent).await;

    let closing = async {
        while let Ok((caller, _)) = port.accept().await {
            drop(caller);
        }
    };
    tokio::select! {
        () = leaves_nothing_behind(&silent) => {}
        () = closing => {}
    }
}

//! What was committed to the outbox leaves, whoever has to send it.

use std::time::{Duration, Instant};

use ordermill_common::broker::{Kind, Queue};
use ordermill_common::id::OwnerId;
use ordermill_common::outbox::{LEASE, RelayConfig, RelayHandle};
use ordermill_scratch::{Cable, Proxy, within};

use crate::stage::{Stage, config, open, row, rows};

fn hasty() -> RelayConfig {
    let scan_every = Duration::from_millis(200);
    RelayConfig { scan_every, ..RelayConfig::new(OwnerId::mint()) }
}

async fn open_relay(stage: &Stage, config: RelayConfig) -> RelayHandle {
    let relay = stage.relay_on(&stage.broker, config);
    open(&mut relay.link()).await;
    relay
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hinted_rows_leave_at_once_and_are_removed() {
    const COUNT: u16 = 20_000;
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let config = RelayConfig::new(OwnerId::mint());
    let relay = open_relay(&stage, config).await;
    let rows = rows(COUNT.into());
    for batch in rows.chunks(1000) {
        stage.insert(config.owner, LEASE, batch).await;
    }
    let started = Instant::now();
    relay.hint(rows.iter().cloned());
    within(60, "all are removed", async || stage.pending().await == 0).await;
    let took = started.elapsed();
    within(60, "all are received", async || received.different() == usize::from(COUNT)).await;
    assert!(received.has(&rows));
    assert_eq!(received.doubled(), 0);
    stage.drain().await;
    println!("relayed {:.0}/s", f64::from(COUNT) / took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_hint_was_lost_is_taken_over_when_its_lease_ends() {
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let (lost, leased) = (rows(700), rows(1));
    let dead_process = OwnerId::mint();
    stage.insert(dead_process, Duration::from_millis(500), &lost).await;
    stage.insert(dead_process, LEASE, &leased).await;
    let _relay = open_relay(&stage, hasty()).await;
    within(20, "the expired rows leave", async || stage.pending().await == 1).await;
    within(20, "they are received", async || received.has(&lost)).await;
    assert!(!received.has(&leased), "a leased row is left to its owner");
    stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_the_broker_leaves_as_soon_as_it_is_back() {
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let proxy = Proxy::before(&stage.amqp_url).await;
    proxy.set(Cable::Cut);
    let lease = Duration::from_mins(30);
    let never = RelayConfig { scan_every: Duration::from_hours(1), lease, ..hasty() };
    let relay = stage.relay_on(&stage.broker_at(proxy.address()), never);
    let (expired, forgotten, remembered, of_others) = (rows(700), rows(3), rows(1), rows(1));
    stage.insert(OwnerId::mint(), Duration::ZERO, &expired).await;
    stage.insert(never.owner, lease / 4, &forgotten).await;
    stage.insert(never.owner, lease, &remembered).await;
    stage.insert(OwnerId::mint(), lease / 4, &of_others).await;
    proxy.set(Cable::Whole);
    open(&mut relay.link()).await;
    within(20, "they leave without a scan", async || stage.pending().await == 2).await;
    within(20, "they are received", async || received.has(&expired) && received.has(&forgotten))
        .await;
    assert!(!received.has(&remembered), "the relay sends this one itself");
    assert!(!received.has(&of_others), "a leased row is left to its owner");
    stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_came_back_is_sent_again_soon_however_many_others_leave_meanwhile() {
    let stage = Stage::set().await;
    let config = RelayConfig::new(OwnerId::mint());
    let relay = open_relay(&stage, config).await;
    stage.delete_queue(Queue::Cancel).await;
    let returned = [row(Kind::OrderCancelV1)];
    stage.insert(config.owner, LEASE, &returned).await;
    relay.hint(returned.iter().cloned());
    let others = async {
        loop {
            let others = rows(1);
            stage.insert(config.owner, LEASE, &others).await;
            relay.hint(others);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Sooner than the end of its lease, when it would leave in any case.
    let left = within(25, "it has left", async || !stage.is_pending(&returned[0]).await);
    tokio::select! {
        () = others => {}
        () = left => {}
    }
    stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_share_one_table_without_doubling() {
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let rows = rows(6000);
    for batch in rows.chunks(1000) {
        stage.insert(OwnerId::mint(), Duration::ZERO, batch).await;
    }
    let _relays = (open_relay(&stage, hasty()).await, open_relay(&stage, hasty()).await);
    within(30, "all are removed", async || stage.pending().await == 0).await;
    within(30, "all are received", async || received.has(&rows)).await;
    assert_eq!(received.doubled(), 0);
    stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_a_broker_takes_nothing_over_and_another_can() {
    let stage = Stage::set().await;
    let hasty = || RelayConfig { scan_every: Duration::from_millis(1), ..hasty() };
    let _lonely = stage.relay_on(&stage.broker_at("127.0.0.1:1"), hasty());
    let rows = rows(10);
    stage.insert(OwnerId::mint(), Duration::ZERO, &rows).await;
    // Time for a hundred scans: each look needs a connection of its own.
    for _ in 0..20 {
        assert_eq!(stage.pending().await, 10);
    }
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let _relay = open_relay(&stage, hasty()).await;
    within(20, "they leave without waiting for a lease", async || stage.pending().await == 0).await;
    within(20, "they are received", async || received.has(&rows)).await;
    stage.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_sends_what_was_hinted() {
    let stage = Stage::set().await;
    let drain = Duration::from_secs(20);
    let config = RelayConfig { drain, ..RelayConfig::new(OwnerId::mint()) };
    let relay = open_relay(&stage, config).await;
    let rows = rows(3000);
    for batch in rows.chunks(1000) {
        stage.insert(config.owner, LEASE, batch).await;
    }
    relay.hint(rows);
    stage.drain().await;
    assert_eq!(stage.pending().await, 0);
    within(10, "all are queued", async || stage.ready(Queue::Checkout).await == 3000).await;
}

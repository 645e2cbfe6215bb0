//! Nothing that is delivered is forgotten, and nothing holds the others up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ordermill_common::broker::{
    ConsumerConfig, DELIVERY_LIMIT, Death, Delivery, Disposition, Outcome, Queue,
};
use ordermill_scratch::{Cable, Proxy, within};
use tokio::sync::{Semaphore, mpsc};

use crate::stage::{Stage, config, envelopes, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_always_fails_ends_among_the_dead_and_the_others_go_on() {
    let stage = Stage::set().await;
    let pool = stage.pool().await;
    for poison in ["retries", "panics", "dead"] {
        let sent = pool.publish_raw(Queue::Checkout, poison, b"not json").await;
        assert_eq!(sent.unwrap(), Outcome::Confirmed);
    }
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(100)).await;

    let tries = Arc::new(AtomicU64::new(0));
    let (good, counted) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&tries));
    let fine = Arc::clone(&good);
    stage.consume(&stage.broker, config(Queue::Checkout), move |delivery: Delivery| {
        let (good, tries) = (Arc::clone(&fine), Arc::clone(&counted));
        async move {
            match delivery.message_id.as_deref() {
                Some("retries") => {
                    tries.fetch_add(1, Ordering::Relaxed);
                    return Disposition::Retry;
                }
                Some("panics") => panic!("this handler panics on purpose"),
                Some("dead") => return Disposition::Dead,
                _ => good.fetch_add(1, Ordering::Relaxed),
            };
            Disposition::Ack
        }
    });
    let (died, mut dead) = mpsc::unbounded_channel();
    stage.consume(&stage.broker, config(Queue::Dead), move |delivery| {
        died.send(delivery).unwrap();
        async { Disposition::Ack }
    });
    within(20, "the good ones are done", async || good.load(Ordering::Relaxed) == 100).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let waiting = tokio::time::timeout(Duration::from_mins(1), dead.recv());
        let delivery = waiting.await.expect("it dies").unwrap();
        assert_eq!(delivery.body, b"not json");
        seen.push((delivery.message_id.unwrap(), delivery.death.unwrap()));
    }
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    let queue = stage.broker.queue_name(Queue::Checkout);
    let death = |reason: &str| Death { queue: queue.clone(), reason: reason.to_owned() };
    let expected =
        [("dead", "rejected"), ("panics", "delivery_limit"), ("retries", "delivery_limit")];
    let expected: Vec<_> =
        expected.iter().map(|(id, reason)| ((*id).to_owned(), death(reason))).collect();
    assert_eq!(seen, expected);
    let limit = u64::try_from(DELIVERY_LIMIT).unwrap();
    let count = tries.load(Ordering::Relaxed);
    assert!((limit..=limit + 1).contains(&count), "{count}");
    stage.drain_without(publisher).await;
    assert_eq!(stage.ready(Queue::Checkout).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_the_consumer_is_declared_and_consumed_again() {
    let stage = Stage::set().await;
    let watchful =
        ConsumerConfig { watch_every: Duration::from_secs(1), ..config(Queue::Checkout) };
    let (received, mut link) = stage.receive(&stage.broker, watchful);
    open(&mut link).await;
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(10)).await;
    within(60, "the first are consumed", async || received.different() == 10).await;
    stage.delete_queue(Queue::Checkout).await;
    within(60, "the consumer notices", async || {
        let sent = publisher.publish(envelopes(1)).await;
        sent == [Outcome::Confirmed] && received.different() > 10
    })
    .await;
    stage.drain_without(publisher).await;
}

/// The broker may have forgotten it without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_given_nothing_for_long_is_made_anew() {
    let stage = Stage::set().await;
    let proxy = Proxy::before(&stage.amqp_url).await;
    let broker = stage.broker_at(proxy.address());
    let every = Duration::from_millis(100);
    let watchful = ConsumerConfig { watch_every: every, ..config(Queue::Checkout) };
    let (received, mut link) = stage.receive(&broker, watchful);
    open(&mut link).await;
    within(20, "it consumes for the third time", async || proxy.made() >= 3).await;
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(10)).await;
    within(60, "all are consumed", async || received.different() == 10).await;
    stage.drain_without(publisher).await;
    assert_eq!(stage.ready(Queue::Checkout).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_is_held_too_long_is_handed_back_and_the_others_go_on() {
    let usual = ConsumerConfig::new(Queue::Checkout, 1, Duration::ZERO);
    assert_eq!(usual.hold, Duration::from_mins(1));
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    let messages = envelopes(20);
    let stuck = messages[0].id.to_string();
    publisher.publish(messages).await;
    let (tries, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (trying, doing) = (Arc::clone(&tries), Arc::clone(&done));
    let hasty =
        ConsumerConfig { prefetch: 2, hold: Duration::from_millis(500), ..config(Queue::Checkout) };
    stage.consume(&stage.broker, hasty, move |delivery: Delivery| {
        let is_stuck = delivery.message_id.as_deref() == Some(&stuck);
        let first = is_stuck && trying.fetch_add(1, Ordering::SeqCst) == 0;
        let done = Arc::clone(&doing);
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            done.fetch_add(1, Ordering::SeqCst);
            Disposition::Ack
        }
    });
    within(20, "all are done", async || done.load(Ordering::SeqCst) == 20).await;
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    stage.drain_without(publisher).await;
    assert_eq!(stage.ready(Queue::Checkout).await, 0);
}

/// Holds every delivery until it may go on.
struct Holding {
    started: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Holding {
    fn start(
        stage: &Stage,
        broker: &ordermill_common::broker::Broker,
        config: ConsumerConfig,
    ) -> Self {
        let (started, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counting, waiting) = (Arc::clone(&started), Arc::clone(&gate));
        stage.consume(broker, config, move |_| {
            counting.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&waiting);
            async move {
                gate.acquire().await.unwrap().forget();
                Disposition::Ack
            }
        });
        Self { started, gate }
    }

    fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_prefetch_holds_again_after_a_reconnect() {
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(50)).await;
    let proxy = Proxy::before(&stage.amqp_url).await;
    let five = ConsumerConfig { prefetch: 5, ..config(Queue::Checkout) };
    let holding = Holding::start(&stage, &stage.broker_at(proxy.address()), five);
    within(60, "five are held", async || stage.ready(Queue::Checkout).await == 45).await;
    within(60, "five have come", async || holding.started() == 5).await;

    proxy.set(Cable::Cut);
    within(60, "the broker has them back", async || stage.ready(Queue::Checkout).await == 50).await;
    proxy.set(Cable::Whole);
    within(60, "five others are held", async || stage.ready(Queue::Checkout).await == 45).await;
    within(60, "five others have come", async || holding.started() == 10).await;
    holding.gate.add_permits(1000);
    within(60, "all are consumed", async || stage.ready(Queue::Checkout).await == 0).await;
    stage.drain_without(publisher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_is_in_hand_and_leaves_the_rest() {
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    publisher.publish(envelopes(50)).await;
    let five = ConsumerConfig { prefetch: 5, ..config(Queue::Checkout) };
    let holding = Holding::start(&stage, &stage.broker, five);
    within(10, "five are held", async || holding.started() == 5).await;
    stage.shutdown.cancel();
    within(10, "it takes no more", async || stage.ready(Queue::Checkout).await == 45).await;
    holding.gate.add_permits(1000);
    stage.drain_without(publisher).await;
    assert_eq!(holding.started(), 5);
    within(10, "the rest is queued", async || stage.ready(Queue::Checkout).await == 45).await;
}

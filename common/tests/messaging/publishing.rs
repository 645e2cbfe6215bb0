//! What the publisher says about a message is true.

use std::time::{Duration, Instant};

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use ordermill_common::broker::{
    DELIVERY_LIMIT, Envelope, Error, Kind, LinkState, Outcome, Publisher, Queue, declare,
};
use ordermill_scratch::{Cable, Proxy, within};

use crate::stage::{Stage, config, envelopes, open, row, rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_messages_are_confirmed_and_consumed() {
    const COUNT: u16 = 20_000;
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    let messages = envelopes(COUNT.into());
    let started = Instant::now();
    let outcomes = publisher.publish(messages).await;
    let sent_in = started.elapsed();
    assert_eq!(outcomes, vec![Outcome::Confirmed; COUNT.into()]);

    let started = Instant::now();
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    within(60, "all are consumed", async || received.different() == usize::from(COUNT)).await;
    let consumed_in = started.elapsed();
    stage.drain_without(publisher).await;
    assert_eq!(stage.ready(Queue::Checkout).await, 0);
    let rate = |took: Duration| f64::from(COUNT) / took.as_secs_f64();
    println!("published {:.0}/s, consumed {:.0}/s", rate(sent_in), rate(consumed_in));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_a_queue_comes_back_and_the_others_do_not() {
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    stage.delete_queue(Queue::Cancel).await;
    let kinds = [Kind::OrderCheckoutV1, Kind::OrderCancelV1];
    let batch: Vec<Envelope> = (0..500).map(|place| row(kinds[place % 2]).into()).collect();
    let outcomes = publisher.publish(batch.clone()).await;
    for (message, outcome) in batch.iter().zip(&outcomes) {
        let expected = match message.kind {
            Kind::OrderCheckoutV1 => Outcome::Confirmed,
            Kind::OrderCancelV1 => Outcome::Returned,
        };
        assert_eq!(*outcome, expected, "{message:?}");
    }
    // The publisher declares the queues again by itself.
    open(&mut publisher.link()).await;
    let again = publisher.publish(batch).await;
    assert_eq!(again, vec![Outcome::Confirmed; 500]);
    within(10, "its half is queued", async || stage.ready(Queue::Cancel).await == 250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_before_the_connection_broke_counts() {
    const COUNT: usize = 512;
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let proxy = Proxy::before(&stage.amqp_url).await;
    let publisher = Publisher::start(&stage.broker_at(proxy.address()), &stage.tasks);
    let mut confirmed = Vec::new();
    let mut is_mixed = false;
    // At one of these moments the confirms of a batch are half there.
    for cut_after in (0..200).map(|one| Duration::from_millis(one % 50)) {
        proxy.set(Cable::Whole);
        open(&mut publisher.link()).await;
        let rows = rows(COUNT);
        let sending = publisher.publish(rows.iter().cloned().map(Envelope::from).collect());
        let cutting = async {
            tokio::time::sleep(cut_after).await;
            proxy.set(Cable::Cut);
        };
        let (outcomes, ()) = tokio::join!(sending, cutting);
        let sure = rows.into_iter().zip(outcomes);
        let sure: Vec<_> = sure
            .filter(|(_, outcome)| *outcome == Outcome::Confirmed)
            .map(|(row, _)| row)
            .collect();
        is_mixed = (1..COUNT).contains(&sure.len());
        confirmed.extend(sure);
        if is_mixed {
            break;
        }
    }
    assert!(is_mixed, "all or nothing each time");
    within(60, "what was confirmed arrives", async || received.has(&confirmed)).await;
    stage.drain_without(publisher).await;
}

/// The broker got the first messages whole and never hears of the others: it answers for those, and owes the rest for
/// ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_counts_when_the_broker_owes_the_rest() {
    const COUNT: usize = 512;
    let stage = Stage::set().await;
    let (received, _) = stage.receive(&stage.broker, config(Queue::Checkout));
    let proxy = Proxy::before(&stage.amqp_url).await;
    let publisher = Publisher::start(&stage.broker_at(proxy.address()), &stage.tasks);
    let mut link = publisher.link();
    open(&mut link).await;
    let rows = rows(COUNT);
    let batch: Vec<Envelope> = rows.iter().cloned().map(Envelope::from).collect();
    let bodies: usize = batch.iter().map(|envelope| envelope.encode().len()).sum();

    proxy.allow(bodies / 2);
    let outcomes = publisher.publish(batch).await;
    let (sure, owed): (Vec<_>, Vec<_>) =
        rows.into_iter().zip(&outcomes).partition(|(_, outcome)| **outcome == Outcome::Confirmed);
    assert!((1..COUNT).contains(&sure.len()), "{} of {COUNT} are confirmed", sure.len());
    assert!(owed.iter().all(|(_, outcome)| **outcome == Outcome::Unknown), "{owed:?}");
    let sure: Vec<_> = sure.into_iter().map(|(row, _)| row).collect();
    within(10, "what was confirmed arrives", async || received.has(&sure)).await;
    assert_eq!(received.different(), sure.len(), "and nothing else");

    proxy.allow(usize::MAX);
    open(&mut link).await;
    let owed: Vec<_> = owed.into_iter().map(|(row, _)| Envelope::from(row)).collect();
    let outcomes = publisher.publish(owed).await;
    assert_eq!(outcomes, vec![Outcome::Confirmed; COUNT - sure.len()]);
    within(10, "all arrive", async || received.different() == COUNT).await;
    assert_eq!(received.doubled(), 0);
    stage.drain_without(publisher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_is_what_was_sent() {
    let stage = Stage::set().await;
    let publisher = stage.publisher().await;
    let sent = envelopes(1);
    publisher.publish(sent.clone()).await;
    let body = stage.take(Queue::Checkout).await.expect("it is in the queue");
    assert_eq!(Envelope::decode(&body).unwrap(), sent[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_named_and_mended_without_a_restart() {
    let stage = Stage::set().await;
    let name = stage.broker.queue_name(Queue::Checkout);
    let channel = stage.back_door().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let limit = AMQPValue::LongLongInt(DELIVERY_LIMIT + 1);
    arguments.insert("x-delivery-limit".into(), limit);
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();

    let refused = declare(&stage.broker).await.unwrap_err();
    assert!(matches!(&refused, Error::OtherArguments { queue, .. } if *queue == name), "{refused}");

    let publisher = Publisher::start(&stage.broker, &stage.tasks);
    let (_, consuming) = stage.receive(&stage.broker, config(Queue::Checkout));
    for link in [publisher.link(), consuming.clone()] {
        let names_it = || match link.state() {
            LinkState::Down(reason) => reason.contains(&name),
            _ => false,
        };
        within(60, "the state names the queue", async || names_it()).await;
    }
    assert_eq!(publisher.publish(envelopes(1)).await, [Outcome::Unknown]);

    stage.delete_queue(Queue::Checkout).await;
    for mut link in [publisher.link(), consuming] {
        open(&mut link).await;
    }
    assert_eq!(publisher.publish(envelopes(1)).await, [Outcome::Confirmed]);
    stage.drain_without(publisher).await;
}

/// The broker refuses a declaration that differs in any of these from what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_working_queues_have_these_arguments() {
    let stage = Stage::set().await;
    declare(&stage.broker).await.unwrap();
    let text = |text: &str| AMQPValue::LongString(text.into());
    let number = AMQPValue::LongLongInt;
    let dead = stage.broker.queue_name(Queue::Dead);
    let (same, other) = (0, 1);
    let arguments = [
        ("x-queue-type", [text("quorum"), text("classic")]),
        ("x-delivery-limit", [number(10), number(11)]),
        ("x-dead-letter-strategy", [text("at-least-once"), text("at-most-once")]),
        ("x-dead-letter-exchange", [text(""), text("amq.direct")]),
        ("x-dead-letter-routing-key", [text(&dead), text("elsewhere")]),
        ("x-overflow", [text("reject-publish"), text("drop-head")]),
        ("x-max-length", [number(2_000_000), number(2_000_001)]),
    ];
    for queue in [Queue::Checkout, Queue::Cancel] {
        let name = stage.broker.queue_name(queue);
        let declare = async |changed: Option<&str>| {
            let channel = stage.back_door().await;
            let mut table = FieldTable::default();
            for (argument, values) in &arguments {
                let which = if changed == Some(argument) { other } else { same };
                table.insert((*argument).into(), values[which].clone());
            }
            let options = QueueDeclareOptions::durable();
            channel.queue_declare(name.as_str().into(), options, table).await.map(drop)
        };
        declare(None).await.unwrap();
        for (argument, _) in &arguments {
            assert!(declare(Some(argument)).await.is_err(), "{name} has any {argument}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_confirms_one_by_one_and_says_what_came_back() {
    let stage = Stage::set().await;
    let pool = stage.pool().await;
    for message in envelopes(20) {
        assert_eq!(pool.publish(&message).await.unwrap(), Outcome::Confirmed);
    }
    within(10, "all are queued", async || stage.ready(Queue::Checkout).await == 20).await;
    stage.delete_queue(Queue::Checkout).await;
    assert_eq!(pool.publish(&envelopes(1)[0]).await.unwrap(), Outcome::Returned);
}

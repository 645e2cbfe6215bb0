//! Crash points: a process dies exactly where it was told to. These stories exist with the feature
//! `crash-points` alone, and need binaries that were built with it: `cargo xtask test --crash-points crash`.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use ordermill_common::broker::{ChannelPool, Envelope, Kind, Outcome, Queue};
use ordermill_common::crash::POINTS;
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use ordermill_tests::actors::text;
use ordermill_tests::staff::Staff;
use ordermill_tests::{Shop, ShopPlan, until};
use serde_json::json;
use tokio::task::JoinSet;

use crate::waking::lose_messages;

/// A message that another process did not live to send, though its order is done with.
const LEFT_BEHIND: &str = "insert into outbox \
       (id, kind, order_id, request_id, owner, lease_until, created_at) \
     select unhex(replace(uuid(), '-', '')), 'order.checkout.v1', order_id, request_id, \
       unhex(repeat('0', 32)), now(6) - interval 1 second, now(6) \
     from checkouts limit 1";
const EXPECTED: [&str; 3] =
    ["a message that cannot be understood", "dead letter", "no checkout for this message"];
const VARIABLE: &str = "ORDERMILL_CRASH_AT";
const PANIC: &str = "ORDERMILL_PANIC_AT";
const PANICKED: &str = "panicked";
/// A row that its own relay has forgotten is claimed after 20 seconds at the earliest.
const SOON: Duration = Duration::from_secs(18);
const SIGABRT: i32 = 6;

#[tokio::test]
async fn a_worker_dies_where_it_was_told_to_and_the_order_ends_in_anothers_hands() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let doomed = shop.start_worker_with(&[(VARIABLE, "reserve.after_commit:1")]);
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;

    let status = shop.take_worker(doomed).ended().await;

    assert_eq!(status.signal(), Some(SIGABRT));
    assert!(shop.logs().contains("crash point reserve.after_commit hit"));
    assert_eq!(buyer.see(&order).await["status"], "reserved");
    assert_eq!(shop.captures(), 0);
    shop.start_worker();
    let seen = buyer.sees(&order, "paid").await;
    assert_eq!(seen["version"], 3);
    assert_eq!(shop.captures(), 1);
    assert_eq!(shop.admin().stock(&mug).await, 3);
    shop.close().await;
}

#[test]
fn a_point_that_does_not_exist_is_said_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [(VARIABLE.to_owned(), "reserve:1".to_owned())];
    for program in ["ordermill-api", "ordermill-worker"] {
        let (code, said) = Staff::run_once(program, &["--help"], folder.path(), &settings, "");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("'reserve'") && said.contains("reserve.before_commit"), "{said}");
    }
}

async fn send(shop: &Shop, body: &[u8]) {
    let channels = ChannelPool::new(&shop.broker(), 1);
    until("the message is in the queue", || async {
        let sent = channels.publish_raw(Queue::Checkout, "a-stray-message", body).await;
        matches!(sent, Ok(Outcome::Confirmed)).then_some(())
    })
    .await;
}

/// API and worker die at their first passing of the point, others take their place, and all that was
/// accepted ends.
async fn falls_and_is_forgotten(point: &str) {
    println!("{point}");
    let mut shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 20).await;
    let (buyer, other) = (shop.buyer().await, shop.buyer().await);
    let packed = buyer.order(&mug, 1, "tok_approve").await;
    let cancelled = buyer.order(&mug, 1, "tok_approve").await;
    let stray =
        Envelope::new(MessageId::mint(), Kind::OrderCheckoutV1, OrderId::mint(), RequestId::mint());
    send(&shop, &stray.encode()).await;
    let letter = until("the stray message is parked", || async {
        let list = shop.admin().get("/v1/admin/dead-letters?state=open").await.expect(200);
        list["data"].get(0).map(|letter| text(&letter["id"]))
    })
    .await;
    shop.at_rest().await;
    assert_eq!(shop.take_worker(0).stop().await, 0);
    shop.take_api().kill();

    shop.set(VARIABLE, &format!("{point}:1"));
    shop.start_api().await;
    let worker = shop.start_worker();
    // A step fails when the API falls under it; that is its own affair.
    let mut steps = JoinSet::new();
    let (admin, first, product) = (shop.admin().clone(), buyer.clone(), mug.clone());
    steps.spawn(async move { drop(admin.moves(&packed, "packed").await) });
    steps.spawn(async move { drop(first.order(&product, 1, "tok_approve").await) });
    let (admin, product) = (shop.admin().clone(), mug.clone());
    steps.spawn(async move { drop(other.order(&product, 1, "tok_fail_once").await) });
    steps.spawn(async move { drop(buyer.cancel(&cancelled).await) });
    steps.spawn(async move {
        let path = format!("/v1/admin/dead-letters/{letter}/redrive");
        drop(admin.post(&path, &json!({})).await);
    });
    shop.change(LEFT_BEHIND).await;
    send(&shop, b"{").await;
    let last_words = format!("crash point {point} hit");
    until(&last_words, || async { shop.logs().contains(&last_words).then_some(()) }).await;

    while steps.join_next().await.is_some() {}
    shop.take_api().kill();
    shop.take_worker(worker).kill();
    shop.set(VARIABLE, "");
    shop.start_api().await;
    shop.start_worker();
    shop.outbox_leases_end().await;
    shop.close_after(&EXPECTED).await;
}

/// A task of the API panics at its first passing of the point, and orders leave as soon as before.
async fn panics_and_goes_on(point: &str) {
    println!("{point}");
    let plan = ShopPlan::workers(0).with(PANIC, format!("{point}:1"));
    let mut shop = Shop::open_as(plan).await;
    shop.set(PANIC, "");
    shop.start_worker();
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let first = buyer.order(&mug, 1, "tok_approve").await;
    let last_words = format!("crash point {point} hit");
    until(&last_words, || async { shop.logs().contains(&last_words).then_some(()) }).await;
    shop.outbox_leases_end().await;
    buyer.sees(&first, "paid").await;
    shop.at_rest().await;

    let accepted = Instant::now();
    let second = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&second, "paid").await;
    shop.at_rest().await;

    assert!(accepted.elapsed() < SOON, "{point}: {:?}", accepted.elapsed());
    shop.close_after(&[PANICKED]).await;
}

#[tokio::test]
async fn a_relay_outlives_the_panics_of_its_tasks() {
    let points = [
        "relay.before_publish",
        "relay.after_publish",
        "relay.after_confirm",
        "relay.after_delete",
    ];
    stream::iter(points).for_each_concurrent(2, panics_and_goes_on).await;
}

#[tokio::test]
async fn a_sweeper_outlives_its_panics() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    lose_messages(&shop).await;
    shop.start_worker_with(&[(PANIC, "sweep.before_commit:1")]);

    shop.change("update checkouts set wake_at = now(6)").await;

    buyer.sees(&order, "paid").await;
    assert!(shop.logs().contains("crash point sweep.before_commit hit"));
    shop.close_after(&[PANICKED]).await;
}

#[tokio::test]
async fn a_delivery_whose_settling_panicked_is_handed_out_again() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    shop.start_worker_with(&[(PANIC, "ack.before:1")]);
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;

    buyer.sees(&order, "paid").await;
    let again = r#""redelivered":true"#;
    until("the message comes again", || async { shop.logs().contains(again).then_some(()) }).await;
    assert_eq!(shop.captures(), 1);
    shop.close_after(&[PANICKED]).await;
}

#[tokio::test]
async fn a_process_that_dies_at_any_point_costs_time_and_nothing_else() {
    let all = stream::iter(POINTS);
    all.for_each_concurrent(4, |(point, _)| falls_and_is_forgotten(point)).await;
}

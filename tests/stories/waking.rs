//! Waking: what is unfinished and forgotten by everybody is found in its rows.

use futures::future::join_all;
use ordermill_common::broker::delete_topology;
use ordermill_tests::{Cable, Proxy, Shop, ShopPlan, server, until};
use serde_json::Value;

use crate::faults::nowhere;

const SWEPT: &str = "woke what was due";

/// The messages that are in the queues are lost.
pub(crate) async fn lose_messages(shop: &Shop) {
    until("the messages are in the queues", || async {
        (shop.count("select cast(count(*) as signed) from outbox").await == 0).then_some(())
    })
    .await;
    delete_topology(&shop.broker()).await.expect("the queues are there");
}

/// With workers that give up no charge because the machine is slow: each would be woken once more.
fn patient(workers: usize) -> ShopPlan {
    ShopPlan::workers(workers).with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000")
}

async fn place(shop: &Shop, product: &str, orders: usize) {
    let buyers = shop.buyers(orders).await;
    join_all(buyers.iter().map(|buyer| buyer.order(product, 1, "tok_approve"))).await;
}

fn republish(shop: &Shop) -> String {
    let (code, said) = shop.run("ordermill-worker", &["republish"], "");
    assert_eq!(code, 0, "{said}");
    said
}

/// How many rows this worker's sweeps have woken.
fn swept(log: &str) -> i64 {
    log.lines()
        .filter(|line| line.contains(SWEPT))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["rows"].as_i64())
        .sum()
}

#[tokio::test]
async fn an_order_whose_message_was_lost_is_woken_by_the_sweep() {
    let mut shop = Shop::open_as(patient(0)).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    lose_messages(&shop).await;
    shop.start_worker();

    // Half a minute passes.
    let due = "select cast(timestampdiff(second, accepted_at, wake_at) as signed) from checkouts";
    assert!((29..=40).contains(&shop.count(due).await));
    shop.change("update checkouts set wake_at = wake_at - interval 30 second").await;

    buyer.sees(&order, "paid").await;
    assert_eq!(swept(&shop.worker(0).log()), 1);
    shop.close().await;
}

#[tokio::test]
async fn republish_wakes_all_that_is_unfinished_and_repeating_it_harms_nothing() {
    let mut shop = Shop::open_as(patient(1)).await;
    let mug = shop.admin().sells("MUG", 10).await;
    let (paying, waiting, leaving) = (shop.buyer().await, shop.buyer().await, shop.buyer().await);
    let paid = leaving.order(&mug, 1, "tok_approve").await;
    leaving.sees(&paid, "paid").await;
    let charged = paying.order(&mug, 1, "tok_slow_4000").await;
    paying.sees(&charged, "reserved").await;
    shop.take_worker(0).kill();
    let fresh = waiting.order(&mug, 1, "tok_approve").await;
    leaving.cancel(&paid).await.expect(202);
    lose_messages(&shop).await;

    let woken = republish(&shop);
    assert!(woken.contains("woken: 1 checkouts, 1 payments, 1 cancellations"), "{woken}");
    republish(&shop);
    // The dead worker's lease runs out.
    shop.change("update payments set lease_until = now(6) where status = 'pending'").await;
    shop.start_worker();
    republish(&shop);

    paying.sees(&charged, "paid").await;
    waiting.sees(&fresh, "paid").await;
    leaving.sees(&paid, "cancelled").await;
    shop.at_rest().await;
    assert!(republish(&shop).contains("woken: 0 checkouts, 0 payments, 0 cancellations"));
    assert_eq!(shop.captures(), 3);
    assert_eq!(shop.admin().stock(&mug).await, 8);
    shop.close().await;
}

#[tokio::test]
async fn one_worker_sweeps_and_another_takes_over_when_it_dies() {
    let mut shop = Shop::open_as(patient(0)).await;
    let mug = shop.admin().sells("MUG", 20).await;
    place(&shop, &mug, 6).await;
    lose_messages(&shop).await;
    for _ in 0..3 {
        shop.start_worker();
    }
    let woken = |shop: &Shop| -> Vec<i64> {
        (0..3).map(|number| swept(&shop.worker(number).log())).collect()
    };
    republish(&shop);
    shop.at_rest().await;
    let first = woken(&shop);
    assert_eq!(first.iter().sum::<i64>(), 6, "each is woken once: {first:?}");
    let sweeper = first.iter().position(|rows| *rows > 0).expect("somebody swept");
    assert_eq!(first[sweeper], 6, "one sweeps: {first:?}");

    shop.take_worker(sweeper).kill();
    place(&shop, &mug, 4).await;
    shop.at_rest().await;
    shop.change(
        "insert into cancellations (order_id, requested_by, request_id, requested_at, wake_at) \
         select id, 'buyer', 'req_of_the_story', now(6), now(6) from orders where status = 'paid'",
    )
    .await;
    shop.at_rest().await;

    let cancelled = "select cast(count(*) as signed) from orders where status = 'cancelled'";
    assert_eq!(shop.count(cancelled).await, 10);
    assert_eq!(shop.admin().stock(&mug).await, 20);
    shop.close().await;
}

/// Whether a process sweeps.
const SWEEPER: &str =
    "select cast(is_used_lock(concat(left(database(), 50), '.sweep')) is not null as signed)";

async fn sweepers_are(shop: &Shop, number: i64, what: &str) {
    until(what, || async { (shop.count(SWEEPER).await == number).then_some(()) }).await;
}

#[tokio::test]
async fn who_is_cut_off_from_the_broker_wakes_nothing_and_leaves_the_sweep_to_others() {
    let broker = server("AMQP_URL");
    let cable = Proxy::before(&broker).await;
    let plan = ShopPlan { amqp_url: Some(cable.url(&broker)), ..ShopPlan::workers(1) };
    let mut shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 20).await;
    sweepers_are(&shop, 1, "the worker sweeps").await;

    cable.set(Cable::Cut);
    sweepers_are(&shop, 0, "the worker lets go of the sweep").await;
    place(&shop, &mug, 5).await;
    let due = "update checkouts set wake_at = now(6) where consumed_at is null";
    shop.change(due).await;
    assert_eq!(shop.count(SWEEPER).await, 0);
    assert_eq!(shop.count("select cast(count(*) as signed) from outbox").await, 5);

    shop.find_broker();
    let connected = shop.start_worker();
    let paid = "select cast(count(*) as signed) from orders where status = 'paid'";
    until("the other worker wakes them", || async { (shop.count(paid).await == 5).then_some(()) })
        .await;
    assert_eq!(swept(&shop.worker(0).log()), 0);
    assert!(swept(&shop.worker(connected).log()) >= 5);

    // Alone again, and nobody but the sweep knows of these.
    shop.take_worker(connected).kill();
    sweepers_are(&shop, 0, "nobody sweeps").await;
    place(&shop, &mug, 3).await;
    shop.take_api().kill();
    shop.change("delete from outbox").await;
    shop.change(due).await;
    cable.set(Cable::Whole);
    shop.at_rest().await;
    assert!(swept(&shop.worker(0).log()) >= 3);
    shop.start_api().await;
    assert_eq!(shop.count(paid).await, 8);
    assert_eq!(shop.admin().stock(&mug).await, 12);
    shop.close().await;
}

#[tokio::test]
async fn what_a_killed_worker_held_is_settled_elsewhere_long_before_its_lease_ends() {
    let mut shop = Shop::open_as(patient(2)).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(10).await;
    join_all(buyers.iter().map(|buyer| buyer.order(&mug, 1, "tok_slow_800"))).await;
    // One of them may have taken all ten before the other was there.
    let charges = |worker: &usize| shop.worker(*worker).log().contains("order reserved");
    let holder = until("a worker charges", || async { (0..2).find(charges) }).await;

    shop.take_worker(holder).kill();
    shop.at_rest().await;

    let paid = "select cast(count(*) as signed) from orders where status = 'paid'";
    assert_eq!(shop.count(paid).await, 10);
    assert_eq!(shop.captures(), 10);
    // The lease runs for 30 seconds.
    let longest =
        "select cast(max(timestampdiff(second, created_at, updated_at)) as signed) from payments";
    assert!(shop.count(longest).await < 21);
    shop.close().await;
}

#[tokio::test]
async fn what_a_killed_api_left_in_the_outbox_leaves_from_elsewhere_before_its_lease_ends() {
    let plan = ShopPlan { amqp_url: Some(nowhere()), ..ShopPlan::workers(0) };
    let mut shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(5).await;
    join_all(buyers.iter().map(|buyer| buyer.order(&mug, 1, "tok_approve"))).await;

    shop.take_api().kill();
    shop.find_broker();
    shop.start_worker();
    shop.start_api().await;
    shop.at_rest().await;

    // The rows are leased for 30 seconds, and so do the checkouts sleep.
    let longest = "select cast(max(timestampdiff(second, accepted_at, consumed_at)) as signed) from checkouts";
    assert!(shop.count(longest).await < 30);
    shop.close().await;
}

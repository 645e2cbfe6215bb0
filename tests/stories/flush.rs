//! What a repeated request is told is on disk, though it only read it: `InnoDB` shows a commit to others while
//! its own flush is still going on, and a server that dies then takes it back.
//!
//! Here the first commit does not flush at all, which is that moment, made longer.

use ordermill_tests::actors::text;
use ordermill_tests::{OwnDatabase, Shop, ShopPlan};

use crate::database::see;
use crate::faults::nowhere;

const UNFLUSHED: &str = "set global innodb_flush_log_at_trx_commit = 0";
const FLUSHED: &str = "set global innodb_flush_log_at_trx_commit = 1";

/// A server that flushes nothing in the background.
fn lazy_server() -> OwnDatabase {
    OwnDatabase::start(&["--innodb-flush-log-at-timeout=2700"])
}

/// The server dies and comes back; what is read then is what was on disk.
fn dies(server: &mut OwnDatabase) {
    server.kill();
    server.restart();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_and_a_wish_that_were_repeated_outlive_the_server() {
    let mut server = lazy_server();
    let plan = ShopPlan {
        database_server: Some(server.url()),
        amqp_url: Some(nowhere()),
        ..ShopPlan::workers(0)
    };
    let mut shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let [keyed, keyless] = [shop.buyer().await, shop.buyer().await];
    for buyer in [&keyed, &keyless] {
        buyer.add(&mug, 1).await.expect(200);
    }

    shop.change(UNFLUSHED).await;
    let order = keyed.checkout_with_key("tok_approve", "my-order").await.expect(202);
    shop.change(FLUSHED).await;
    assert_eq!(keyed.checkout_with_key("tok_approve", "my-order").await.expect(202), order);
    dies(&mut server);
    let order = text(&order["id"]);
    assert_eq!(see(&keyed, &order).await["status"], "accepted");

    shop.change(UNFLUSHED).await;
    let clicked = keyless.checkout("tok_approve").await.expect(202);
    shop.change(FLUSHED).await;
    assert_eq!(keyless.checkout("tok_approve").await.expect(202), clicked);
    dies(&mut server);
    assert_eq!(see(&keyless, &text(&clicked["id"])).await["status"], "accepted");

    shop.change(UNFLUSHED).await;
    keyed.cancel(&order).await.expect(202);
    shop.change(FLUSHED).await;
    keyed.cancel(&order).await.expect(202);
    dies(&mut server);
    assert_eq!(shop.count("select cast(count(*) as signed) from cancellations").await, 1);

    shop.take_api().kill();
    shop.find_broker();
    shop.start_worker();
    shop.start_api().await;
    shop.at_rest().await;
    assert_eq!(see(&keyed, &order).await["status"], "cancelled");
    assert_eq!(see(&keyless, &text(&clicked["id"])).await["status"], "paid");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_repeated_outlives_the_server() {
    let mut server = lazy_server();
    let plan = ShopPlan { database_server: Some(server.url()), ..ShopPlan::workers(1) };
    let shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    shop.at_rest().await;

    shop.change(UNFLUSHED).await;
    shop.admin().moves(&order, "packed").await.expect(200);
    shop.change(FLUSHED).await;
    shop.admin().moves(&order, "packed").await.expect(200);
    dies(&mut server);

    assert_eq!(see(&buyer, &order).await["status"], "packed");
    shop.close().await;
}

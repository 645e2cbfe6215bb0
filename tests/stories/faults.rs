//! What happens to accepted orders when processes, the broker and rows fail: nothing is lost, doubled or
//! oversold, and everything ends.

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use ordermill_common::broker::{ChannelPool, Envelope, Kind, delete_topology};
use ordermill_common::db::Db;
use ordermill_common::id::{MessageId, OrderId, ProductId};
use ordermill_common::trace::RequestId;
use ordermill_tests::actors::text;
use ordermill_tests::{Buyer, Shop, ShopPlan, until, within};
use serde_json::Value;
use sqlx::{MySql, Transaction};

pub(crate) const PAID: &str = "select cast(count(*) as signed) from orders where status = 'paid'";
const PENDING: &str = "select cast(count(*) as signed) from payments where status = 'pending'";
const UNCONSUMED: &str = "select cast(count(*) as signed) from checkouts where consumed_at is null";
const OUTBOX: &str = "select cast(count(*) as signed) from outbox";

/// A number that is another one each time the story is told.
pub(crate) fn random(below: i64) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a moment that nobody has chosen")]
    let dice = uuid::Uuid::new_v4().as_u128() % 1_000_000;
    i64::try_from(dice).expect("it is small") % below
}

pub(crate) async fn count_reaches(shop: &Shop, query: &'static str, what: &str, least: i64) {
    until(what, || async { (shop.count(query).await >= least).then_some(()) }).await;
}

/// Somebody else's lock on the product's stock.
pub(crate) async fn hold(db: &Db, product: ProductId) -> Transaction<'static, MySql> {
    let mut holding = db.pool().begin().await.expect("a transaction");
    // A story may be slow, and must not lose the lock because it stands still.
    let patient = sqlx::raw_sql("set session wait_timeout = 600");
    patient.execute(&mut *holding).await.expect("it may be set");
    sqlx::query("select available from stock where product_id = ? for update")
        .bind(product)
        .execute(&mut *holding)
        .await
        .expect("the row is free");
    holding
}

pub(crate) async fn each_orders(
    buyers: &[Buyer],
    product: &str,
    times: usize,
    token: &str,
) -> Vec<String> {
    let orders = join_all(buyers.iter().map(|buyer| async move {
        let mut orders = Vec::new();
        for _ in 0..times {
            orders.push(buyer.order(product, 1, token).await);
        }
        orders
    }));
    orders.await.into_iter().flatten().collect()
}

/// The address of a broker that is away: a port that nobody listens on.
pub(crate) fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
}

#[tokio::test]
async fn workers_killed_at_any_moment_lose_and_double_nothing() {
    let mut shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 300).await;
    let buyers = shop.buyers(24).await;

    let ordering = each_orders(&buyers, &mug, 10, "tok_slow_30");
    let killing = async {
        let (mut first, mut second) = (0, 1);
        for _ in 0..6 {
            let paid = shop.count(PAID).await + 1 + random(30);
            count_reaches(&shop, PAID, "some more are paid", paid.min(230)).await;
            shop.take_worker(first).kill();
            (first, second) = (second, shop.start_worker());
        }
    };
    let (orders, ()) = tokio::join!(ordering, killing);
    shop.at_rest().await;

    assert_eq!(orders.len(), 240);
    assert_eq!(shop.count(PAID).await, 240);
    assert_eq!(shop.captures(), 240);
    assert_eq!(shop.admin().stock(&mug).await, 60);
    shop.close().await;
}

#[tokio::test]
async fn an_api_killed_during_checkouts_accepts_each_key_once() {
    let mut shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 100).await;
    let buyers = shop.buyers(20).await;
    for buyer in &buyers {
        buyer.add(&mug, 1).await.expect(200);
    }

    let checkouts = join_all(buyers.iter().map(|buyer| async move {
        until("the checkout is answered", || async {
            let body = serde_json::json!({"payment_method": "tok_approve"});
            let headers = [("idempotency-key", "my-only-order")];
            let path = "/v1/checkout";
            let answer = buyer.try_send(reqwest::Method::POST, path, &headers, Some(&body)).await;
            let answer = answer.ok().filter(|answer| answer.code.as_u16() == 202);
            answer.map(|answer| answer.body)
        })
        .await
    }));
    let killing = async {
        let accepted = "select cast(count(*) as signed) from checkouts";
        for _ in 0..3 {
            let more = (shop.count(accepted).await + random(6)).min(20);
            count_reaches(&shop, accepted, "some are accepted", more).await;
            shop.take_api().kill();
            shop.start_api().await;
        }
    };
    let (answers, ()) = tokio::join!(checkouts, killing);
    shop.outbox_leases_end().await;
    shop.at_rest().await;

    for (buyer, first) in buyers.iter().zip(answers) {
        let again = buyer.checkout_with_key("tok_approve", "my-only-order").await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.expect(202), first);
        let orders = buyer.get("/v1/orders").await.expect(200);
        assert_eq!(orders["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(buyer.see(&text(&first["id"])).await["status"], "paid");
    }
    assert_eq!(shop.captures(), 20);
    assert_eq!(shop.admin().stock(&mug).await, 80);
    shop.close().await;
}

#[tokio::test]
async fn checkouts_are_accepted_while_the_broker_is_away_and_paid_when_it_is_back() {
    let plan = ShopPlan { amqp_url: Some(nowhere()), ..ShopPlan::workers(0) };
    let mut shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let buyers = shop.buyers(5).await;
    let orders = each_orders(&buyers, &mug, 2, "tok_approve").await;
    for (order, buyer) in orders.iter().zip(buyers.iter().flat_map(|buyer| [buyer, buyer])) {
        assert_eq!(buyer.see(order).await["status"], "accepted");
    }
    buyers[0].cancel(&orders[0]).await.expect(202);
    assert_eq!(shop.count(OUTBOX).await, 11);

    shop.take_api().kill();
    shop.find_broker();
    shop.start_api().await;
    shop.start_worker();
    shop.outbox_leases_end().await;
    shop.at_rest().await;

    assert_eq!(shop.count(PAID).await, 9);
    assert_eq!(buyers[0].see(&orders[0]).await["status"], "cancelled");
    assert_eq!(shop.admin().stock(&mug).await, 11);
    shop.close().await;
}

#[tokio::test]
async fn a_stopped_worker_finishes_what_it_has_in_hand() {
    let patient = ShopPlan::workers(1).with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000");
    let mut shop = Shop::open_as(patient).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(10).await;
    each_orders(&buyers, &mug, 3, "tok_slow_500").await;
    count_reaches(&shop, PENDING, "charges are under way", 1).await;

    assert_eq!(shop.take_worker(0).stop().await, 0);

    assert_eq!(shop.count(PENDING).await, 0, "no charge was left alone");
    let paid = shop.count(PAID).await;
    assert!(paid > 0);
    shop.start_worker();
    shop.at_rest().await;
    assert_eq!(shop.count(PAID).await, 30);
    assert_eq!(shop.captures(), 30);
    shop.close().await;
}

#[tokio::test]
async fn a_message_that_comes_many_times_does_its_work_once() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 10).await;
    let buyer = shop.buyer().await;
    let finished = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&finished, "paid").await;
    let declined = buyer.order(&mug, 1, "tok_decline_no_funds").await;
    buyer.sees(&declined, "payment_failed").await;
    let cancelled = buyer.order(&mug, 1, "tok_approve").await;
    buyer.cancel(&cancelled).await.expect(202);
    buyer.sees(&cancelled, "cancelled").await;
    let before = shop.count("select cast(count(*) as signed) from order_history").await;
    let slow = buyer.order(&mug, 1, "tok_slow_300").await;

    let channels = ChannelPool::new(&shop.broker(), 4);
    let repeat = async |order: &str, kind: Kind| {
        let order: OrderId = order.parse().expect("an order's id");
        let message = Envelope::new(MessageId::mint(), kind, order, RequestId::mint());
        let sending = (0..50).map(|_| channels.publish(&message));
        // No more at once than there are channels: a channel is waited for only so long.
        let sent: Vec<_> = stream::iter(sending).buffer_unordered(4).collect().await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    };
    for order in [&finished, &declined, &cancelled, &slow] {
        repeat(order, Kind::OrderCheckoutV1).await;
    }
    repeat(&cancelled, Kind::OrderCancelV1).await;
    let seen = buyer.sees(&slow, "paid").await;
    // Whatever came before the last message has been handled when the message after it has.
    let last = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&last, "paid").await;

    assert_eq!(seen["version"], 3);
    let after = shop.count("select cast(count(*) as signed) from order_history").await;
    assert_eq!(after, before + 6, "two orders of three steps, and nothing else");
    shop.at_rest().await;
    assert_eq!(shop.kept(), 3, "{:?}", shop.ledger());
    assert_eq!(shop.admin().stock(&mug).await, 7);
    shop.close().await;
}

#[tokio::test]
async fn queues_deleted_under_a_running_worker_cost_no_order() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let buyers = shop.buyers(5).await;
    each_orders(&buyers, &mug, 1, "tok_approve").await;
    until("the messages are in the queue", || async {
        (shop.count(OUTBOX).await == 0).then_some(())
    })
    .await;
    delete_topology(&shop.broker()).await.expect("the queues are there");
    shop.start_worker();
    let (code, said) = shop.run("ordermill-worker", &["republish"], "");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("woken: 5 checkouts"), "{said}");
    count_reaches(&shop, PAID, "the lost messages' orders are paid", 5).await;

    delete_topology(&shop.broker()).await.expect("the worker declared them again");
    each_orders(&buyers, &mug, 1, "tok_approve").await;
    let (code, said) = shop.run("ordermill-worker", &["republish"], "");
    assert_eq!(code, 0, "{said}");
    within(120, "the worker is back by itself", async || shop.count(PAID).await >= 10).await;
    assert_eq!(shop.captures(), 10);
    shop.close().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_handled_ends_by_itself_and_stops_no_other() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let (unlucky, others) = (shop.buyer().await, shop.buyers(5).await);
    let broken = unlucky.order(&mug, 1, "tok_approve").await;
    shop.change("update checkouts set `lines` = '{\"what\": 1}'").await;
    each_orders(&others, &mug, 1, "tok_approve").await;
    shop.start_worker();

    count_reaches(&shop, PAID, "the others are paid", 5).await;
    assert_eq!(shop.count(UNCONSUMED).await, 1);

    within(120, "the broken one ends", async || shop.count(UNCONSUMED).await == 0).await;
    shop.at_rest().await;
    let seen = unlucky.sees(&broken, "rejected").await;
    assert_eq!(seen["reason"], "internal");
    let (code, said) = shop.run("ordermill-worker", &["dead-letters", "list"], "");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&broken) && said.contains("reserve"), "{said}");
    assert_eq!(shop.admin().stock(&mug).await, 15);
    shop.close_after(&["fails for good", "recorded a dead letter", "snapshot cannot be read"])
        .await;
}

#[tokio::test]
async fn a_row_held_by_somebody_else_delays_only_the_orders_that_need_it() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.admin().sells("MUG", 5).await, shop.admin().sells("CUP", 50).await);
    let (buyer, others) = (shop.buyer().await, shop.buyers(5).await);
    let db = shop.db();
    let held = hold(&db, mug.parse().expect("a product's id")).await;

    let waiting = buyer.order(&mug, 1, "tok_approve").await;
    let put_off = |times| {
        let shop = &shop;
        until("the order is put off", move || async move {
            let log = shop.worker(0).log();
            (log.matches("put off; it will be woken again").count() >= times).then_some(())
        })
    };
    put_off(1).await;
    each_orders(&others, &cup, 2, "tok_approve").await;
    count_reaches(&shop, PAID, "the others are paid", 10).await;
    put_off(2).await;
    assert_eq!(buyer.see(&waiting).await["status"], "accepted");

    held.rollback().await.expect("nothing was changed");
    let seen: Value = buyer.sees(&waiting, "paid").await;
    assert_eq!(seen["version"], 3);
    assert_eq!(shop.admin().stock(&mug).await, 4);
    shop.close().await;
}

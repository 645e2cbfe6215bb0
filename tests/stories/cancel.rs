//! Cancelling: whatever the moment, an order that is cancelled gives its stock back once and keeps no money.

use futures::future::join_all;
use ordermill_common::broker::{ChannelPool, Envelope, Kind};
use ordermill_common::id::MessageId;
use ordermill_common::trace::RequestId;
use ordermill_tests::{Buyer, Shop, ShopPlan, until};
use serde_json::{Value, json};

use crate::faults::nowhere;

fn events(order: &Value) -> Vec<&str> {
    let history = order["history"].as_array().expect("a history");
    history.iter().map(|entry| entry["event"].as_str().expect("a name")).collect()
}

async fn cancelled(buyer: &Buyer, order: &str) -> Value {
    buyer.cancel(order).await.expect(202);
    buyer.sees(order, "cancelled").await
}

#[tokio::test]
async fn an_order_cancelled_before_any_worker_saw_it_takes_nothing() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;

    let asked = buyer.cancel(&order).await.expect(202);
    assert_eq!((&asked["status"], &asked["version"]), (&json!("accepted"), &json!(1)));
    assert_eq!(asked["cancellation"]["outcome"], Value::Null);
    shop.start_worker();

    let seen = buyer.sees(&order, "cancelled").await;
    assert_eq!(events(&seen), ["accepted", "cancelled"]);
    assert_eq!(seen["cancellation"]["outcome"], "cancelled");
    assert_eq!(seen["payment"], Value::Null);
    assert_eq!(shop.ledger().len(), 0);
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

#[tokio::test]
async fn an_order_cancelled_during_its_charge_keeps_no_money() {
    let patient = ShopPlan::workers(2).with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000");
    let shop = Shop::open_as(patient).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_slow_4000").await;
    buyer.sees(&order, "reserved").await;
    assert_eq!(shop.admin().stock(&mug).await, 3);

    let seen = cancelled(&buyer, &order).await;

    assert_eq!(events(&seen), ["accepted", "reserved", "cancelled"]);
    shop.at_rest().await;
    assert_eq!(buyer.see(&order).await["payment"]["status"], "voided");
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

#[tokio::test]
async fn a_paid_or_packed_order_is_cancelled_and_its_payment_voided() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let paid = buyer.order(&mug, 1, "tok_approve").await;
    let packed = buyer.order(&mug, 2, "tok_approve").await;
    buyer.sees(&paid, "paid").await;
    buyer.sees(&packed, "paid").await;
    shop.admin().moves(&packed, "packed").await.expect(200);

    for order in [&paid, &packed] {
        cancelled(&buyer, order).await;
    }
    shop.at_rest().await;

    for order in [&paid, &packed] {
        assert_eq!(buyer.see(order).await["payment"]["status"], "voided");
    }
    assert_eq!(shop.captures(), 2);
    assert_eq!(shop.voids(), 2);
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

#[tokio::test]
async fn a_shipped_order_is_not_cancelled() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    shop.admin().moves(&order, "packed").await.expect(200);
    shop.admin().moves(&order, "shipped").await.expect(200);

    let refused = buyer.cancel(&order).await.refused(409, "illegal_move");

    assert_eq!(refused["allowed_transitions"], json!([]));
    let path = format!("/v1/admin/orders/{order}/cancel");
    let refused = shop.admin().post(&path, &json!({})).await.refused(409, "illegal_move");
    assert_eq!(refused["allowed_transitions"], json!(["delivered"]));
    assert_eq!(buyer.see(&order).await["cancellation"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn asking_twice_cancels_once_and_a_stranger_finds_no_order() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let (buyer, stranger) = (shop.buyer().await, shop.buyer().await);
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;

    stranger.cancel(&order).await.refused(404, "not_found");
    let first = cancelled(&buyer, &order).await;
    let again = buyer.cancel(&order).await.expect(202);

    assert_eq!(again["version"], first["version"]);
    assert_eq!(shop.count("select cast(count(*) as signed) from cancellations").await, 1);
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

#[tokio::test]
async fn a_cancellation_that_overtakes_its_checkout_makes_the_order_cancelled() {
    let plan = ShopPlan { amqp_url: Some(nowhere()), ..ShopPlan::workers(0) };
    let mut shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.cancel(&order).await.expect(202);
    shop.change("delete from outbox where kind = 'order.checkout.v1'").await;
    shop.change("update checkouts set wake_at = wake_at + interval 1 hour").await;

    shop.take_api().kill();
    shop.find_broker();
    shop.start_api().await;
    shop.start_worker();
    shop.outbox_leases_end().await;
    let seen = buyer.sees(&order, "cancelled").await;
    let late = order.parse().expect("an order's id");
    let late = Envelope::new(MessageId::mint(), Kind::OrderCheckoutV1, late, RequestId::mint());
    ChannelPool::new(&shop.broker(), 1).publish(&late).await.expect("the queue is there");
    let next = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&next, "paid").await;

    assert_eq!(events(&seen), ["accepted", "cancelled"]);
    assert_eq!(buyer.see(&order).await, seen);
    assert_eq!(shop.admin().stock(&mug).await, 4);
    shop.close().await;
}

#[tokio::test]
async fn many_wishes_that_race_the_charge_give_the_stock_back_once() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 60).await;
    let buyers = shop.buyers(6).await;
    let racing = buyers.iter().zip([0, 5, 20, 50, 100, 200]).map(|(buyer, wait)| {
        let (shop, mug) = (&shop, &mug);
        async move {
            let order = buyer.order(mug, 3, &format!("tok_slow_{wait}")).await;
            // Into the race from acceptance, from the charge and from its end.
            until("a worker has seen it", || async {
                let seen = buyer.see(&order).await;
                (wait == 0 || seen["status"] != "accepted").then_some(())
            })
            .await;
            for answer in join_all((0..30).map(|_| buyer.cancel(&order))).await {
                answer.expect(202);
            }
            let seen = buyer.sees(&order, "cancelled").await;
            let times = events(&seen).iter().filter(|event| **event == "cancelled").count();
            assert_eq!(times, 1, "{seen}");
            shop.admin().stock(mug).await
        }
    });
    join_all(racing).await;
    shop.at_rest().await;

    assert_eq!(shop.admin().stock(&mug).await, 60);
    let kept = "select cast(count(*) as signed) from payments where status <> 'voided'";
    assert_eq!(shop.count(kept).await, 0);
    shop.close().await;
}

#[tokio::test]
async fn an_admin_cancels_and_the_history_says_who_and_why() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;

    let path = format!("/v1/admin/orders/{order}/cancel");
    shop.admin().post(&path, &json!({"reason": "recalled"})).await.expect(202);

    let seen = buyer.sees(&order, "cancelled").await;
    let last = seen["history"].as_array().and_then(|all| all.last()).expect("a history");
    assert_eq!((&last["by"], &last["reason"]), (&json!("admin"), &json!("recalled")));
    let path = format!("/v1/admin/orders/{order}");
    let seen = shop.admin().get(&path).await.expect(200);
    let by = format!("admin {}", shop.admin().id);
    assert_eq!(seen["history"][3]["by"], by);
    shop.close().await;
}

#[tokio::test]
async fn while_a_cancellation_is_undecided_admins_move_nothing() {
    let mut shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    shop.take_worker(0).stop().await;

    let asked = buyer.cancel(&order).await.expect(202);
    assert_eq!(asked["status"], "paid");
    shop.admin().moves(&order, "packed").await.refused(409, "cancellation_pending");
    shop.start_worker();

    buyer.sees(&order, "cancelled").await;
    shop.admin().moves(&order, "packed").await.refused(409, "illegal_move");
    shop.close().await;
}

#[tokio::test]
async fn a_refused_cancellation_is_in_the_history_that_the_buyer_sees() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    shop.admin().moves(&order, "packed").await.expect(200);
    shop.admin().moves(&order, "shipped").await.expect(200);

    // The API asks before it writes, so this takes a wish that somebody else wrote.
    shop.change(
        "insert into cancellations (order_id, requested_by, reason, request_id, requested_at, wake_at) \
         select id, 'buyer', 'too late', 'req_of_the_story', now(6), now(6) from orders",
    )
    .await;
    let seen = until("it is decided", || async {
        let seen = buyer.see(&order).await;
        (seen["cancellation"]["outcome"] == "refused").then_some(seen)
    })
    .await;

    assert_eq!(seen["status"], "shipped");
    let last = seen["history"].as_array().and_then(|all| all.last()).expect("a history");
    assert_eq!((&last["event"], &last["reason"]), (&json!("cancel_refused"), &json!("too late")));
    shop.admin().moves(&order, "delivered").await.expect(200);
    assert_eq!(shop.admin().stock(&mug).await, 4);
    shop.close().await;
}

#[tokio::test]
async fn a_backlog_of_checkouts_delays_no_cancellation() {
    let one_at_a_time = ShopPlan::workers(1)
        .with("ORDERMILL_CHARGES", "1")
        .with("ORDERMILL_BATCH", "1")
        .with("ORDERMILL_LANES", "1");
    let shop = Shop::open_as(one_at_a_time).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(12).await;
    let mut orders = Vec::new();
    for buyer in &buyers {
        orders.push(buyer.order(&mug, 1, "tok_slow_900").await);
    }

    // One charge and twice the batch of one lane: no more is held.
    let held = r#""prefetch":3"#;
    until("no more is fetched than is held", || async {
        let log = shop.worker(0).log();
        let limited = |line: &str| line.contains("orders.checkout") && line.contains(held);
        log.lines().any(limited).then_some(())
    })
    .await;
    let (last, order) = (&buyers[11], &orders[11]);
    let seen = cancelled(last, order).await;

    assert_eq!(events(&seen), ["accepted", "cancelled"]);
    let waiting = "select cast(count(*) as signed) from checkouts where consumed_at is null";
    assert!(shop.count(waiting).await > 0, "there was no backlog");
    for answer in join_all(buyers.iter().zip(&orders).map(|(buyer, id)| buyer.cancel(id))).await {
        answer.expect(202);
    }
    shop.at_rest().await;
    assert_eq!(shop.admin().stock(&mug).await, 50);
    shop.close().await;
}

//! The payment gateway's good and bad days: an order ends as the gateway's book says, or its payment is
//! voided.

use std::collections::BTreeMap;

use futures::future::join_all;
use ordermill_common::broker::{ChannelPool, Envelope, Kind};
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use ordermill_tests::{Buyer, Shop, ShopPlan, until};
use serde_json::json;

const LETTER: &str = "recorded a dead letter";

async fn ends(buyer: &Buyer, order: &str) -> serde_json::Value {
    until("the order and its payment end", || async {
        let seen = buyer.see(order).await;
        let payment = seen["payment"]["status"].as_str();
        matches!(payment, Some("captured" | "declined" | "voided")).then_some(seen)
    })
    .await
}

#[tokio::test]
async fn a_gateway_that_never_answers_ends_the_order_and_the_payment_is_voided() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_timeout").await;

    let seen = buyer.sees(&order, "payment_failed").await;
    assert_eq!(seen["reason"], "gateway_unavailable");
    let seen = ends(&buyer, &order).await;

    assert_eq!(seen["payment"]["status"], "voided");
    assert_eq!(shop.admin().stock(&mug).await, 5);
    let cart = buyer.get("/v1/cart").await.expect(200);
    assert_eq!(cart["lines"][0]["quantity"], 2);
    assert_eq!(cart["last_order"], json!(order));
    let attempts =
        "select cast(count(*) as signed) from payment_attempts where call_kind = 'charge'";
    assert_eq!(shop.count(attempts).await, 5);
    let (_, letters) = shop.run("ordermill-worker", &["dead-letters", "list"], "");
    assert!(letters.contains(&order) && letters.contains("no verdict"), "{letters}");
    shop.close_after(&[LETTER]).await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_by_asking_again_with_its_key() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_timeout_after_charge").await;

    let seen = buyer.sees(&order, "paid").await;

    assert_eq!(seen["payment"]["status"], "captured");
    assert_eq!(shop.captures(), 1);
    let ledger = shop.ledger();
    assert_eq!(ledger.len(), 2, "{ledger:?}");
    assert_eq!(ledger[0]["key"], ledger[1]["key"]);
    shop.close().await;
}

#[tokio::test]
async fn a_gateway_that_fails_once_is_asked_again() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_fail_once").await;

    let seen = buyer.sees(&order, "paid").await;

    assert_eq!(seen["version"], 3, "the buyer sees nothing of it");
    assert_eq!(shop.count("select cast(attempts as signed) from payments").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn an_order_without_a_verdict_is_cancelled_at_once_when_its_buyer_asks() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_timeout").await;
    buyer.sees(&order, "reserved").await;

    buyer.cancel(&order).await.expect(202);

    buyer.sees(&order, "cancelled").await;
    assert_eq!(ends(&buyer, &order).await["payment"]["status"], "voided");
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

#[tokio::test]
async fn orders_that_wait_long_for_their_turn_are_put_off_and_paid_later_however_old_they_are() {
    let patient = ShopPlan::workers(1)
        .with("ORDERMILL_CHARGES", "1")
        .with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000");
    let shop = Shop::open_as(patient).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let buyers = shop.buyers(14).await;
    join_all(buyers.iter().map(|buyer| buyer.order(&mug, 1, "tok_slow_800"))).await;
    until("all of them wait for the one call at a time", || async {
        (shop.count("select cast(count(*) as signed) from payments").await == 14).then_some(())
    })
    .await;

    // They have waited for minutes already.
    shop.change("update payments set created_at = created_at - interval 5 minute").await;
    shop.at_rest().await;

    assert_eq!(shop.captures(), 14);
    assert!(
        shop.logs().contains("not_called"),
        "somebody waited longer than a delivery may be held"
    );
    assert_eq!(shop.admin().stock(&mug).await, 6);
    shop.close().await;
}

#[tokio::test]
async fn the_gateways_book_and_the_orders_agree_for_a_mixed_crowd() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 100).await;
    let tokens = [
        ("tok_approve", "captured", "paid"),
        ("tok_slow_100", "captured", "paid"),
        ("tok_fail_once", "captured", "paid"),
        ("tok_timeout_after_charge", "captured", "paid"),
        ("tok_decline_card_expired", "declined", "payment_failed"),
    ];
    let buyers = shop.buyers(30).await;
    let crowd =
        buyers.iter().zip(tokens.iter().cycle()).map(|(buyer, (token, payment, status))| {
            let mug = &mug;
            async move {
                let order = buyer.order(mug, 1, token).await;
                let seen = ends(buyer, &order).await;
                assert_eq!(
                    (&seen["payment"]["status"], &seen["status"]),
                    (&json!(payment), &json!(status))
                );
            }
        });
    join_all(crowd).await;

    let mut book: BTreeMap<String, i64> = BTreeMap::new();
    for call in shop.ledger().iter().filter(|call| call["replayed"] != true) {
        *book.entry(call["outcome"].to_string()).or_default() += 1;
    }
    assert_eq!((book["\"captured\""], book["\"declined\""]), (24, 6));
    let taken = "select cast(sum(amount) as signed) from payments where status = 'captured'";
    let amounts = shop
        .ledger()
        .into_iter()
        .filter(|call| call["outcome"] == "captured" && call["replayed"] != true);
    let amount: i64 = amounts.filter_map(|call| call["amount"].as_i64()).sum();
    assert_eq!(shop.count(taken).await, amount);
    assert_eq!(shop.admin().stock(&mug).await, 76);
    let (code, said) = shop.verify();
    assert!(code == 0 && said.contains("ledger_agrees"), "{said}");
    shop.close().await;
}

#[tokio::test]
async fn a_payment_that_a_living_worker_holds_is_left_alone() {
    let talkative = ShopPlan::workers(1)
        .with("ORDERMILL_LOG", "info,ordermill_worker=debug")
        .with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000");
    let mut shop = Shop::open_as(talkative).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_slow_4000").await;
    buyer.sees(&order, "reserved").await;
    until("the gateway is asked", || async { (shop.ledger().len() == 1).then_some(()) }).await;
    shop.worker(0).signal("STOP");

    // The message comes again, and again, to both.
    let next = shop.start_worker();
    let channels = ChannelPool::new(&shop.broker(), 1);
    let id: OrderId = order.parse().expect("an order's id");
    until("the next worker consumes", || async {
        let log = shop.worker(next).log();
        let consuming = |line: &str| {
            line.contains(r#""message":"consuming""#) && line.contains("orders.checkout")
        };
        log.lines().any(consuming).then_some(())
    })
    .await;
    for _ in 0..8 {
        let message =
            Envelope::new(MessageId::mint(), Kind::OrderCheckoutV1, id, RequestId::mint());
        channels.publish(&message).await.expect("the broker takes it");
    }
    until("it finds the payment held", || async {
        let log = shop.worker(next).log();
        log.contains("somebody else is at work on the order").then_some(())
    })
    .await;
    assert_eq!(shop.ledger().len(), 1, "who does not hold the lease does not call");
    assert_eq!(buyer.see(&order).await["status"], "reserved");
    let end =
        "select cast(timestampdiff(microsecond, lease_until, wake_at) as signed) from payments";
    assert_eq!(shop.count(end).await, 0, "the end of the lease is the wake-up");
    shop.worker(0).signal("CONT");

    buyer.sees(&order, "paid").await;
    assert_eq!(shop.captures(), 1);
    shop.close().await;
}

#[tokio::test]
async fn a_void_that_fails_for_long_leaves_one_dead_letter_and_is_made_in_the_end() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    let book = std::fs::read(shop.ledger_file()).expect("there was a charge");
    std::fs::write(shop.ledger_file(), "no book\n").expect("the folder is ours");
    let letters = "select cast(count(*) as signed) from dead_letters";
    let wake = "update payments set wake_at = now(6)";
    let asleep_after = async |calls: i64| {
        let asleep = "select cast(coalesce(max(attempts), 0) as signed) from payments where lease_until is null";
        until("the void has failed", || async {
            (shop.count(asleep).await == calls).then_some(())
        })
        .await;
    };

    shop.change("update payments set attempts = 18").await;
    buyer.cancel(&order).await.expect(202);
    asleep_after(19).await;
    assert_eq!(shop.count(letters).await, 0);
    shop.change(wake).await;
    asleep_after(20).await;
    shop.change(wake).await;
    asleep_after(21).await;
    assert_eq!(shop.count(letters).await, 1);
    let (_, listed) = shop.run("ordermill-worker", &["dead-letters", "list"], "");
    assert!(listed.contains(&order) && listed.contains("not confirmed the void"), "{listed}");

    std::fs::write(shop.ledger_file(), book).expect("the folder is ours");
    shop.change(wake).await;
    assert_eq!(ends(&buyer, &order).await["payment"]["status"], "voided");
    shop.close_after(&[LETTER]).await;
}

#[tokio::test]
async fn a_void_that_fails_is_made_later_even_by_another_worker() {
    let mut shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    let book = std::fs::read(shop.ledger_file()).expect("there was a charge");
    std::fs::write(shop.ledger_file(), "no book\n").expect("the folder is ours");

    buyer.cancel(&order).await.expect(202);
    let seen = buyer.sees(&order, "cancelled").await;
    assert_eq!(seen["payment"]["status"], "void_due", "it ends only by a confirmed void");
    let failed = "select cast(count(*) as signed) from payment_attempts where call_kind = 'void'";
    until("a void has failed", || async { (shop.count(failed).await > 0).then_some(()) }).await;
    shop.take_worker(0).kill();
    std::fs::write(shop.ledger_file(), book).expect("the folder is ours");
    // The dead worker's lease runs out, if it held one.
    shop.change(
        "update payments set lease_until = now(6), wake_at = now(6) where status = 'void_due'",
    )
    .await;
    shop.start_worker();

    assert_eq!(ends(&buyer, &order).await["payment"]["status"], "voided");
    assert_eq!((shop.captures(), shop.voids()), (1, 1));
    assert_eq!(shop.admin().stock(&mug).await, 5);
    shop.close().await;
}

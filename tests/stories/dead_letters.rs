//! Messages that cannot be handled: they harm no other, are kept once with the reason, and somebody decides.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ordermill_common::broker::{
    ChannelPool, Consumer, ConsumerConfig, DELIVERY_LIMIT, Disposition, Envelope, Kind, MAX_BODY,
    Outcome, Queue,
};
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use ordermill_tests::actors::text;
use ordermill_tests::{Shop, ShopPlan, until};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const LETTERS: &str = "select cast(count(*) as signed) from dead_letters";
const EXPECTED: [&str; 3] =
    ["a message that cannot be understood", "parked a dead letter", "no checkout for this message"];

fn of_no_order(kind: Kind) -> Envelope {
    Envelope::new(MessageId::mint(), kind, OrderId::mint(), RequestId::mint())
}

/// A worker that has just started may not have declared its queues yet.
async fn send(shop: &Shop, queue: Queue, id: &str, body: &[u8]) {
    let channels = ChannelPool::new(&shop.broker(), 1);
    until("the message is in the queue", || async {
        let sent = channels.publish_raw(queue, id, body).await;
        matches!(sent, Ok(Outcome::Confirmed)).then_some(())
    })
    .await;
}

async fn letters_reach(shop: &Shop, number: i64) {
    until("the letters are parked", || async {
        (shop.count(LETTERS).await >= number).then_some(())
    })
    .await;
}

async fn open_letters(shop: &Shop) -> Vec<Value> {
    let list = shop.admin().get("/v1/admin/dead-letters?state=open").await.expect(200);
    list["data"].as_array().cloned().expect("a list")
}

#[tokio::test]
async fn poison_of_each_kind_is_parked_once_and_the_good_orders_are_paid() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 10).await;
    let buyer = shop.buyer().await;
    let stranger = of_no_order(Kind::OrderCheckoutV1);
    let large = vec![b'x'; MAX_BODY + 1];
    let poison: [(&str, &[u8], &str); 4] = [
        ("bad-json", b"{", "cannot be read"),
        ("newer-kind", b"{\"kind\": \"order.checkout.v9\"}", "unknown message kind"),
        ("too-large", &large, "the body has 16385 bytes"),
        (&stranger.id.to_string(), &stranger.encode(), "there is no such order"),
    ];

    for (id, body, _) in poison {
        let order = buyer.order(&mug, 1, "tok_approve").await;
        send(&shop, Queue::Checkout, id, body).await;
        buyer.sees(&order, "paid").await;
    }
    letters_reach(&shop, 4).await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;

    let letters = open_letters(&shop).await;
    for (id, _, why) in poison {
        let its: Vec<_> = letters.iter().filter(|letter| letter["message_id"] == id).collect();
        assert_eq!(its.len(), 1, "{letters:?}");
        assert!(text(&its[0]["reason"]).contains(why), "{}", its[0]);
        assert!(text(&its[0]["source"]).ends_with("orders.checkout"), "{}", its[0]);
    }
    assert_eq!(letters.len(), 4);
    shop.close_after(&EXPECTED).await;
}

#[tokio::test]
async fn the_command_line_lists_shows_redrives_and_discards() {
    let shop = Shop::open().await;
    let stranger = of_no_order(Kind::OrderCheckoutV1);
    send(&shop, Queue::Checkout, "bad-json", b"{").await;
    send(&shop, Queue::Checkout, &stranger.id.to_string(), &stranger.encode()).await;
    letters_reach(&shop, 2).await;
    let act = |args: &[&str]| shop.run("ordermill-worker", &[&["dead-letters"], args].concat(), "");
    let id = |letter: &str| letter.split_whitespace().next().expect("an id").to_owned();

    let (code, listed) = act(&["list"]);
    assert_eq!(code, 0, "{listed}");
    let typo =
        id(listed.lines().find(|line| line.contains("cannot be read")).expect("it is listed"));
    let lost =
        id(listed.lines().find(|line| line.contains("no such order")).expect("it is listed"));
    let (code, shown) = act(&["show", &lost]);
    assert!(code == 0 && shown.contains(&stranger.request_id.to_string()), "{shown}");
    let (code, said) = act(&["redrive", &typo]);
    assert!(code != 0 && said.contains("cannot be understood"), "{said}");
    let (code, said) = act(&["discard", &typo, "--reason", "a typo"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = act(&["discard", &typo, "--reason", "again"]);
    assert!(code != 0 && said.contains("already discarded"), "{said}");
    let (code, said) = act(&["redrive", &lost]);
    assert_eq!(code, 0, "{said}");
    shop.outbox_leases_end().await;
    letters_reach(&shop, 3).await;

    let (_, redriven) = act(&["list", "--state", "redriven"]);
    let (_, discarded) = act(&["list", "--state", "discarded"]);
    let (_, open) = act(&["list"]);
    assert!(redriven.contains(&lost) && discarded.contains(&typo), "{redriven}{discarded}");
    assert!(open.contains("no such order") && !open.contains(&lost), "it died again: {open}");
    shop.close_after(&EXPECTED).await;
}

#[tokio::test]
async fn an_admin_redrives_what_can_be_understood_and_discards_the_rest_with_a_reason() {
    let shop = Shop::open().await;
    let (buyer, admin) = (shop.buyer().await, shop.admin());
    send(&shop, Queue::Cancel, "bad-json", b"{").await;
    let stranger = of_no_order(Kind::OrderCancelV1);
    send(&shop, Queue::Cancel, &stranger.id.to_string(), &stranger.encode()).await;
    letters_reach(&shop, 2).await;
    let at = |letter: &Value, action: &str| {
        format!("/v1/admin/dead-letters/{}{action}", text(&letter["id"]))
    };

    buyer.get("/v1/admin/dead-letters").await.refused(403, "forbidden");
    let first = admin.get("/v1/admin/dead-letters?limit=1").await.expect(200);
    let rest = format!("/v1/admin/dead-letters?limit=1&cursor={}", text(&first["next_cursor"]));
    let rest = admin.get(&rest).await.expect(200);
    assert_eq!((&first["has_more"], &rest["has_more"]), (&json!(true), &json!(false)));
    let letters = open_letters(&shop).await;
    let bad = letters.iter().find(|one| one["message_id"] == "bad-json").expect("it is there");
    let lost = letters.iter().find(|one| one["kind"] == "order.cancel.v1").expect("it is there");
    assert_eq!(admin.get(&at(bad, "")).await.expect(200)["body"], "{");

    let (nothing, reason) = (json!({}), json!({"reason": "a typo"}));
    admin.post(&at(bad, "/redrive"), &nothing).await.refused(409, "letter_not_understood");
    admin
        .post(&at(bad, "/discard"), &json!({"reason": " "}))
        .await
        .refused(400, "validation_failed");
    let closed = admin.post(&at(bad, "/discard"), &reason).await.expect(200);
    assert_eq!(
        (&closed["state"], &closed["closed"]["reason"]),
        (&json!("discarded"), &json!("a typo"))
    );
    admin.post(&at(bad, "/discard"), &reason).await.refused(409, "letter_closed");
    let closed = admin.post(&at(lost, "/redrive"), &nothing).await.expect(200);
    assert_eq!(closed["closed"]["by"], format!("admin {}", admin.id));
    letters_reach(&shop, 3).await;
    let open = open_letters(&shop).await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["message_id"], lost["message_id"]);
    admin.get("/v1/admin/dead-letters?state=lost").await.refused(400, "validation_failed");
    shop.close_after(&[EXPECTED[0], EXPECTED[1], "no cancellation for this message"]).await;
}

#[tokio::test]
async fn a_healthy_message_that_died_is_woken_again_and_its_order_paid() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 10).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    let config = ConsumerConfig {
        retry_pause: Duration::ZERO,
        ..ConsumerConfig::new(Queue::Checkout, 1, Duration::from_secs(1))
    };
    let (deliveries, burnt) = (AtomicI64::new(0), CancellationToken::new());
    let deliveries = std::sync::Arc::new(deliveries);
    let count = deliveries.clone();
    let burning = Consumer::new(&shop.broker(), config).run(
        move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Disposition::Retry })
        },
        burnt.clone(),
    );
    let watching = async {
        until("its deliveries are used up", || async {
            (deliveries.load(Ordering::Relaxed) > DELIVERY_LIMIT).then_some(())
        })
        .await;
        burnt.cancel();
    };
    tokio::join!(burning, watching);
    assert_eq!(buyer.see(&order).await["status"], "accepted");
    // Only as a dead message is it woken, and not because it has slept for long enough.
    shop.change("update checkouts set wake_at = wake_at + interval 1 hour").await;

    shop.start_worker();

    let woken = "a dead message's order is unfinished and was woken";
    until("it is found among the dead", || async {
        shop.worker(0).log().contains(woken).then_some(())
    })
    .await;
    buyer.sees(&order, "paid").await;
    assert_eq!(shop.count(LETTERS).await, 0);
    shop.close().await;
}

//! The cart becomes an order, once.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Actor, Answer, with_shop};

async fn checkout(buyer: &Actor, key: Option<&str>, body: Value) -> Answer {
    let headers: Vec<_> = key.iter().map(|key| ("Idempotency-Key", *key)).collect();
    buyer.send(Method::POST, "/checkout", &headers, body).await
}

#[tokio::test]
async fn a_checkout_is_accepted_without_broker_or_worker() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug \u{2615} \"\u{1f9c1}\"", 500, 10).await;
        buyer.add(&mug, 2).await.expect(200);
        let answer = buyer.checkout(None).await;
        let location = answer.header("location").to_owned();
        assert_eq!((answer.header("retry-after"), answer.header("idempotent-replayed")), ("1", ""));
        let request = answer.header("x-request-id").to_owned();
        let order = answer.expect(202);
        assert_eq!(location, format!("/v1/orders/{}", order["id"].as_str().unwrap()));
        assert_eq!((&order["status"], &order["version"]), (&json!("accepted"), &json!(1)));
        assert_eq!(order["lines"][0]["name"], "Mug \u{2615} \"\u{1f9c1}\"");
        assert_eq!(order["total"], json!({"amount": 1_000, "currency": "EUR"}));
        assert_eq!(order["allowed_transitions"], json!(["cancelled"]));
        assert_eq!((&order["payment"], &order["cancellation"]), (&json!(null), &json!(null)));
        assert_eq!(order["history"][0]["event"], "accepted");
        let read = buyer.get(location.strip_prefix("/v1").unwrap()).await.expect(200);
        assert_eq!(read, order, "it can be read from the moment of the answer");
        let cart = buyer.get("/cart").await.expect(200);
        assert_eq!((&cart["lines"], &cart["last_order"]), (&json!([]), &order["id"]));
        let stored: String = sqlx::query_scalar("select request_id from outbox")
            .fetch_one(shop.db.pool())
            .await
            .unwrap();
        assert_eq!(stored, request);
    })
    .await;
}

#[tokio::test]
async fn one_key_64_times_at_once_is_one_order_and_64_equal_bodies() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 10).await;
        buyer.add(&mug, 2).await.expect(200);
        let answers = join_all((0..64).map(|_| buyer.checkout(Some("once")))).await;
        let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty());
        assert_eq!(fresh.count(), 1);
        assert!(answers.iter().all(|answer| answer.code == 202 && answer.text == answers[0].text));
        let other = json!({"payment_method": "tok_timeout"});
        checkout(&buyer, Some("once"), other).await.refused(422, "idempotency_key_reused");
        assert_eq!(shop.count("select count(*) from checkouts").await, 1);
        assert_eq!(shop.count("select count(*) from outbox").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_replay_gives_the_first_answer_whatever_has_become_since() {
    with_shop(async |shop| {
        let (buyer, stranger) = (shop.buyer().await, shop.buyer().await);
        let mug = shop.product("Mug", 500, 10).await;
        buyer.add(&mug, 2).await.expect(200);
        let first = buyer.checkout(Some("\"quoted\"")).await;
        buyer.add(&mug, 1).await.expect(200);
        buyer
            .post(&format!("/orders/{}/cancel", first.body["id"].as_str().unwrap()), json!(null))
            .await
            .expect(202);
        shop.run("update products set price = 1, deleted_at = now(6) where id = ?", &mug).await;
        let again = buyer.checkout(Some("quoted")).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!((again.code, &again.text), (202, &first.text));
        assert_eq!(again.header("location"), first.header("location"));
        buyer.checkout(Some("Quoted")).await.refused(409, "product_unavailable");
        stranger.checkout(Some("quoted")).await.refused(409, "empty_cart");
        let tea = shop.product("Tea", 100, 10).await;
        stranger.add(&tea, 1).await.expect(200);
        let theirs = stranger.checkout(Some("quoted")).await.expect(202);
        assert_ne!(theirs["id"], first.body["id"], "keys are each buyer's own");
    })
    .await;
}

#[tokio::test]
async fn a_double_click_without_a_key_is_one_order() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 10).await;
        buyer.checkout(None).await.refused(409, "empty_cart");
        buyer.add(&mug, 2).await.expect(200);
        let clicks = join_all((0..8).map(|_| buyer.checkout(None))).await;
        assert!(clicks.iter().all(|click| click.code == 202 && click.text == clicks[0].text));
        assert_eq!(shop.count("select count(*) from checkouts").await, 1);
        buyer.add(&mug, 1).await.expect(200);
        let next = buyer.checkout(None).await.expect(202);
        assert_ne!(next["id"], clicks[0].body["id"]);
    })
    .await;
}

#[tokio::test]
async fn no_refusal_burns_a_key_and_each_says_which() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let (mug, pot) = (shop.product("Mug", 500, 9).await, shop.product("Pot", 900, 9).await);
        let key = Some("kept");
        let body = json!({"payment_method": "tok_approve"});
        checkout(&buyer, key, body.clone()).await.refused(409, "empty_cart");
        buyer.add(&mug, 2).await.expect(200);
        buyer.add(&pot, 1).await.expect(200);
        let unknown = json!({"payment_method": "cash"});
        for key in [key, None] {
            checkout(&buyer, key, unknown.clone()).await.refused(422, "unknown_payment_method");
            checkout(&buyer, key, json!({"payment_method": 1})).await.refused(400, "validation_failed");
        }
        let expecting = |amount: i64, currency: &str| {
            json!({"payment_method": "tok_approve", "expected_total": {"amount": amount, "currency": currency}})
        };
        let more = checkout(&buyer, key, expecting(1_899, "EUR")).await.refused(409, "total_increased");
        assert_eq!((&more["expected"]["amount"], &more["total"]["amount"]), (&json!(1_899), &json!(1_900)));
        checkout(&buyer, key, expecting(1_900, "USD")).await.refused(400, "validation_failed");
        shop.run("update products set deleted_at = now(6) where id = ?", &pot).await;
        let gone = checkout(&buyer, key, body.clone()).await.refused(409, "product_unavailable");
        assert_eq!(gone["products"], json!([{"product_id": pot, "sku": pot, "name": "Pot"}]));
        shop.run("update products set deleted_at = null where id = ?", &pot).await;
        for bad in ["", "two words", &"k".repeat(201)] {
            checkout(&buyer, Some(bad), body.clone()).await.refused(400, "validation_failed");
        }
        checkout(&buyer, key, expecting(2_000, "EUR")).await.expect(202);
        checkout(&buyer, key, body).await.refused(422, "idempotency_key_reused");
        checkout(&buyer, key, unknown).await.refused(422, "idempotency_key_reused");
        assert_eq!(shop.count("select count(*) from checkouts").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_total_beyond_any_money_is_shown_as_none_and_cannot_be_ordered() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        for _ in 0..10 {
            let gold = shop.product("Gold", 1_000_000_000_000, i64::MAX).await;
            buyer.add(&gold, 1_000_000).await.expect(200);
        }
        let cart = buyer.get("/cart").await.expect(200);
        assert_eq!(cart["total"], json!(null));
        assert_eq!(cart["lines"][0]["line_total"]["amount"], 1_000_000_000_000_000_000_i64);
        buyer.checkout(None).await.refused(409, "total_too_large");
    })
    .await;
}

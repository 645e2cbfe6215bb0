//! What a buyer means to buy.

use futures::future::join_all;
use ordermill_scratch::within;
use serde_json::json;

use crate::stage::{Actor, with_shop};

#[tokio::test]
async fn a_cart_adds_up_and_shows_what_became_of_its_lines() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug \u{2615}", 500, 10).await;
        let pot = shop.product("Pot", 900, 10).await;
        buyer.add(&mug, 2).await.expect(200);
        buyer.add(&pot, 1).await.expect(200);
        let cart = buyer.add(&mug, 1).await.expect(200);
        assert_eq!(cart["total"], json!({"amount": 2_400, "currency": "EUR"}));
        assert_eq!(cart["last_order"], json!(null));
        let line = &cart["lines"][0];
        assert_eq!((&line["name"], &line["quantity"]), (&json!("Mug \u{2615}"), &json!(3)));
        assert_eq!(line["line_total"], json!({"amount": 1_500, "currency": "EUR"}));
        assert_eq!((&line["available"], &line["issues"]), (&json!(10), &json!([])));
        shop.run("update products set price = 600 where id = ?", &mug).await;
        shop.run("update stock set available = 2 where product_id = ?", &mug).await;
        shop.run("update products set deleted_at = now(6) where id = ?", &pot).await;
        let cart = buyer.get("/cart").await.expect(200);
        assert_eq!(
            cart["lines"][0]["issues"],
            json!([
                {"code": "price_changed", "was": {"amount": 500, "currency": "EUR"}},
                {"code": "insufficient_stock", "available": 2},
            ])
        );
        assert_eq!(cart["lines"][1]["issues"], json!([{"code": "product_unavailable"}]));
        assert_eq!(cart["total"]["amount"], 1_800, "what is not sold costs nothing");
        let short = buyer.add(&mug, 1).await.refused(409, "out_of_stock");
        assert_eq!(short["available"], 2);
        buyer.add(&pot, 1).await.refused(409, "product_unavailable");
    })
    .await;
}

#[tokio::test]
async fn lines_are_set_and_removed_and_the_version_tells_each_change() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 10).await;
        let line = format!("/cart/lines/{mug}");
        let version = buyer.get("/cart").await.expect(200)["version"].as_i64().unwrap();
        let set = buyer.put(&line, json!({"quantity": 4})).await.expect(200);
        assert_eq!(set["lines"][0]["quantity"], 4);
        assert_eq!(set["version"], version + 1);
        let same = buyer.put(&line, json!({"quantity": 4})).await.expect(200);
        assert_eq!(same["version"], version + 1);
        buyer.put(&line, json!({"quantity": 11})).await.refused(409, "out_of_stock");
        let none = buyer.put(&line, json!({"quantity": 0})).await.expect(200);
        assert_eq!((&none["version"], &none["lines"]), (&json!(version + 2), &json!([])));
        buyer.delete(&line).await.expect(200);
        buyer.add(&mug, 1).await.expect(200);
        let cleared = buyer.delete("/cart").await.expect(200);
        assert_eq!((&cleared["version"], &cleared["lines"]), (&json!(version + 4), &json!([])));
        for quantity in [json!(0), json!(1_000_001), json!(-1), json!(1.5), json!("1")] {
            let body = json!({"product_id": mug, "quantity": quantity});
            let flawed = buyer.post("/cart/lines", body).await.refused(400, "validation_failed");
            assert_eq!(flawed["errors"][0]["pointer"], "#/quantity");
        }
        buyer.put("/cart/lines/nothing", json!({"quantity": 1})).await.refused(404, "not_found");
        let unknown = ordermill_common::id::ProductId::mint().to_string();
        buyer.add(&unknown, 1).await.refused(409, "product_unavailable");
    })
    .await;
}

#[tokio::test]
async fn a_cart_that_has_not_changed_is_not_sent_again() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 10).await;
        buyer.add(&mug, 1).await.expect(200);
        let tag = buyer.get("/cart").await.header("etag").to_owned();
        let has = [("If-None-Match", tag.as_str())];
        let again = buyer.send(reqwest::Method::GET, "/cart", &has, json!(null)).await;
        assert_eq!((again.code, again.text.as_str()), (304, ""));
        shop.run("update products set price = 1 where id = ?", &mug).await;
        buyer.send(reqwest::Method::GET, "/cart", &has, json!(null)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn fifty_parallel_adds_are_fifty_units() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 100).await;
        let answers = join_all((0..50).map(|_| buyer.add(&mug, 1))).await;
        let mut told: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.expect(200)["lines"][0]["quantity"].as_i64().unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, (1..=50).collect::<Vec<_>>(), "each is told the cart after its own add");
        assert_eq!(buyer.get("/cart").await.expect(200)["lines"][0]["quantity"], 50);
    })
    .await;
}

/// Adds one of the product, and again for as long as nothing was done: large carts hold each other up.
async fn add_at_last(buyer: &Actor, product: &str) {
    within(60, "it is in the cart", async || {
        let answer = buyer.add(product, 1).await;
        let nothing_was_done = answer.code == 503 && answer.body["code"] != "outcome_unknown";
        if !nothing_was_done {
            answer.expect(200);
        }
        !nothing_was_done
    })
    .await;
}

#[tokio::test]
async fn a_cart_of_1500_lines_is_filled_read_and_ordered() {
    with_shop(async |shop| {
        let (one, two) = (shop.buyer().await, shop.buyer().await);
        let shelf = shop.shelf(1_500, "\u{1f9c1} of the day", 0, 10).await;
        let (most, last) = shelf.split_at(1_480);
        shop.fill(&one, most).await;
        shop.fill(&two, most).await;
        join_all(last.iter().flat_map(|id| [add_at_last(&one, id), add_at_last(&two, id)])).await;
        assert_eq!(one.get("/cart").await.expect(200)["lines"].as_array().unwrap().len(), 1_500);
        for answer in join_all([one.checkout(None), two.checkout(None)]).await {
            let order = answer.expect(202);
            assert_eq!(order["lines"].as_array().unwrap().len(), 1_500);
            assert_eq!(order["total"]["amount"], 1_499 * 1_500 / 2);
        }
    })
    .await;
}

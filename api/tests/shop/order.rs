//! What a buyer sees and asks of their orders.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::stage::with_shop;

#[tokio::test]
async fn an_order_is_its_buyers_alone_and_is_not_sent_twice() {
    with_shop(async |shop| {
        let (buyer, other) = (shop.buyer().await, shop.buyer().await);
        let mug = shop.product("Mug", 500, 9).await;
        let order = format!("/orders/{}", buyer.order(&mug).await);
        other.get(&order).await.refused(404, "not_found");
        other.post(&format!("{order}/cancel"), json!(null)).await.refused(404, "not_found");
        buyer.get("/orders/ord_nothing").await.refused(404, "not_found");
        let tag = buyer.get(&order).await.header("etag").to_owned();
        let has = [("If-None-Match", tag.as_str())];
        let again = buyer.send(Method::GET, &order, &has, json!(null)).await;
        assert_eq!(
            (again.code, again.text.as_str(), again.header("etag")),
            (304, "", tag.as_str())
        );
        buyer.post(&format!("{order}/cancel"), json!(null)).await.expect(202);
        let wished = buyer.send(Method::GET, &order, &has, json!(null)).await.expect(200);
        assert_eq!(wished["version"], 1);
        assert_eq!(wished["cancellation"]["outcome"], json!(null));
    })
    .await;
}

#[tokio::test]
async fn a_wish_to_cancel_is_noted_once_however_often_it_is_sent() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 9).await;
        let order = format!("/orders/{}", buyer.order(&mug).await);
        let cancel = format!("{order}/cancel");
        let reason = "too many \u{1f62c}".to_owned() + &"é".repeat(190);
        let long = json!({"reason": format!("{reason}x")});
        buyer.post(&cancel, long).await.refused(400, "validation_failed");
        let asks = (0..8).map(|_| buyer.post(&cancel, json!({"reason": reason})));
        for answer in join_all(asks).await {
            let order = answer.expect(202);
            assert_eq!(order["status"], "accepted", "no worker has seen it");
            assert_eq!(order["cancellation"]["reason"], json!(reason));
        }
        buyer.post(&cancel, json!({})).await.expect(202);
        assert_eq!(shop.count("select count(*) from cancellations").await, 1);
        let cancels = "select count(*) from outbox where kind = 'order.cancel.v1'";
        assert_eq!(shop.count(cancels).await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_has_been_sent_cannot_be_cancelled() {
    with_shop(async |shop| {
        let buyer = shop.buyer().await;
        let mug = shop.product("Mug", 500, 9).await;
        let id = buyer.order(&mug).await;
        let order = format!("/orders/{id}");
        for (status, code) in [("shipped", 409), ("rejected", 409), ("cancelled", 202)] {
            shop.becomes(&id, status).await;
            let answer = buyer.post(&format!("{order}/cancel"), json!(null)).await;
            if code == 409 {
                let illegal = answer.refused(409, "illegal_move");
                assert_eq!(illegal["allowed_transitions"], json!([]));
            } else {
                assert_eq!(answer.expect(202)["status"], "cancelled");
            }
        }
        assert_eq!(shop.count("select count(*) from cancellations").await, 0);
    })
    .await;
}

#[tokio::test]
async fn orders_are_listed_in_pages_the_latest_first() {
    with_shop(async |shop| {
        let (buyer, other) = (shop.buyer().await, shop.buyer().await);
        let mug = shop.product("Mug", 500, 99).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(buyer.order(&mug).await);
            other.order(&mug).await;
        }
        shop.becomes(&ids[1], "paid").await;
        ids.reverse();
        let (mut path, mut seen) = ("/orders?limit=2".to_owned(), Vec::new());
        loop {
            let page = buyer.get(&path).await;
            let link = page.header("link").to_owned();
            let page = page.expect(200);
            for order in page["data"].as_array().unwrap() {
                seen.push(order["id"].as_str().unwrap().to_owned());
                assert_eq!(
                    order["status"],
                    if order["id"] == ids[3] { "paid" } else { "accepted" }
                );
            }
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert_eq!(link, format!("</v1/orders?limit=2&cursor={next}>; rel=\"next\""));
            path = format!("/orders?limit=2&cursor={next}");
        }
        assert_eq!(seen, ids);
        let cursor = path.rsplit_once("cursor=").unwrap().1;
        other.get(&format!("/orders?cursor={cursor}")).await.refused(400, "invalid_cursor");
        other.get("/orders?limit=101").await.refused(400, "validation_failed");
    })
    .await;
}

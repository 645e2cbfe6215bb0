//! The main job, end to end: what is accepted becomes paid, or ends in a way that the buyer can see.

use futures::future::join_all;
use ordermill_tests::{Shop, ShopPlan};
use serde_json::json;

#[tokio::test]
async fn an_accepted_order_is_paid_and_its_history_tells_how() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;

    let seen = buyer.sees(&order, "paid").await;

    assert_eq!(shop.admin().stock(&mug).await, 3);
    assert_eq!(seen["total"], json!({"amount": 2000, "currency": "EUR"}));
    assert_eq!(seen["lines"][0]["quantity"], 2);
    assert_eq!(seen["payment"]["status"], "captured");
    let events: Vec<_> = seen["history"].as_array().unwrap().iter().map(|e| &e["event"]).collect();
    assert_eq!(events, ["accepted", "reserved", "paid"]);
    assert_eq!(shop.ledger().iter().filter(|call| call["outcome"] == "captured").count(), 1);
    shop.close().await;
}

#[tokio::test]
async fn a_declined_order_gives_stock_and_cart_back() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_decline_card_expired").await;

    let seen = buyer.sees(&order, "payment_failed").await;

    assert_eq!(seen["reason"], "declined");
    assert_eq!(seen["payment"]["decline_reason"], "card_expired");
    assert_eq!(shop.admin().stock(&mug).await, 5);
    let cart = buyer.get("/v1/cart").await.expect(200);
    assert_eq!(cart["lines"][0]["quantity"], 2);
    shop.close().await;
}

#[tokio::test]
async fn of_a_thousand_buyers_of_five_hundred_pieces_exactly_half_are_paid() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 500).await;
    let lanes = (0..64).map(|lane| {
        let (shop, mug) = (&shop, &mug);
        async move {
            let mut orders = Vec::new();
            for _ in (lane..1_000).step_by(64) {
                let buyer = shop.buyer().await;
                buyer.add(mug, 1).await.expect(200);
                orders.push(buyer);
            }
            orders
        }
    });
    let buyers: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
    let lanes = (0..64).map(|lane| {
        let buyers = &buyers;
        async move {
            let mut orders = Vec::new();
            for buyer in buyers.iter().skip(lane).step_by(64) {
                let accepted = buyer.checkout("tok_approve").await.expect(202);
                orders.push((buyer, ordermill_tests::actors::text(&accepted["id"])));
            }
            orders
        }
    });
    let orders: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
    shop.at_rest().await;

    let (mut paid, mut rejected) = (0, 0);
    for (buyer, order) in &orders {
        let seen = buyer.see(order).await;
        if seen["status"] == "paid" {
            paid += 1;
        } else {
            assert_eq!(seen["status"], "rejected");
            assert_eq!(seen["reason"], "out_of_stock");
            assert_eq!(seen["shortfall"][0]["available"], 0, "{seen}");
            rejected += 1;
        }
    }
    assert_eq!((paid, rejected), (500, 500));
    assert_eq!(shop.admin().stock(&mug).await, 0);
    shop.close().await;
}

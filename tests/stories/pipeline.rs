//! The main job, end to end: what is accepted becomes paid, or ends in a way that the buyer can see.

use futures::future::join_all;
use ordermill_tests::shop::eur;
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
    assert_eq!(shop.captures(), 1);
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

#[tokio::test]
async fn a_rejected_orders_lines_go_back_into_the_cart_onto_what_is_there() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 3).await;
    let mut orders = Vec::new();
    for buyer in shop.buyers(2).await {
        let order = buyer.order(&mug, 2, "tok_approve").await;
        let cart = buyer.add(&mug, 1).await.expect(200);
        orders.push((buyer, order, cart["version"].as_i64().expect("a number")));
    }
    shop.start_worker();
    shop.at_rest().await;

    let mut ends = Vec::new();
    for (buyer, order, version) in &orders {
        let seen = buyer.see(order).await;
        let cart = buyer.get("/v1/cart").await.expect(200);
        let (quantity, now) = (&cart["lines"][0]["quantity"], &cart["version"]);
        if seen["status"] == "paid" {
            assert_eq!((quantity, now), (&json!(1), &json!(version)));
        } else {
            assert_eq!(seen["reason"], "out_of_stock");
            let shortfall = &seen["shortfall"][0];
            assert_eq!((&shortfall["product_id"], &shortfall["sku"]), (&json!(mug), &json!("MUG")));
            assert_eq!((&shortfall["requested"], &shortfall["available"]), (&json!(2), &json!(1)));
            assert_eq!((quantity, now), (&json!(3), &json!(version + 1)));
        }
        ends.push(seen["status"].as_str().expect("a text").to_owned());
    }
    ends.sort();
    assert_eq!(ends, ["paid", "rejected"]);
    assert_eq!(shop.admin().stock(&mug).await, 1);
    shop.close().await;
}

#[tokio::test]
async fn an_order_keeps_the_names_and_prices_that_it_was_accepted_with() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;
    let accepted = buyer.see(&order).await;
    let edit = json!({"name": "Another mug", "description": "", "price": eur(9_999)});
    let path = format!("/v1/admin/products/{mug}");
    let newest = [("if-match", "*")];
    shop.admin().send(reqwest::Method::PUT, &path, &newest, Some(&edit)).await.expect(200);
    shop.start_worker();

    let paid = buyer.sees(&order, "paid").await;

    assert_eq!((&paid["lines"], &paid["total"]), (&accepted["lines"], &accepted["total"]));
    assert_eq!(paid["lines"][0]["name"], "The MUG");
    assert_eq!(shop.ledger()[0]["amount"], 2_000);
    shop.close().await;
}

#[tokio::test]
async fn a_buyer_who_looks_all_the_time_never_sees_an_order_go_back() {
    let shop = Shop::open_as(ShopPlan::workers(2)).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(12).await;
    let looking = buyers.iter().map(|buyer| {
        let mug = &mug;
        async move {
            let order = buyer.order(mug, 1, "tok_slow_300").await;
            let mut seen = Vec::new();
            while seen.last() != Some(&3) {
                let now = buyer.see(&order).await;
                let version = now["version"].as_i64().expect("a number");
                let status = now["status"].as_str().expect("a text").to_owned();
                let of = ["accepted", "reserved", "paid"].iter().position(|one| *one == status);
                assert_eq!(of.map(|place| place + 1), usize::try_from(version).ok(), "{now}");
                seen.push(version);
            }
            assert!(seen.is_sorted(), "{seen:?}");
            seen.len()
        }
    });
    let looks: usize = join_all(looking).await.into_iter().sum();
    assert!(looks > 3 * buyers.len(), "only {looks} looks");
    shop.close().await;
}

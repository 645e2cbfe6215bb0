//! Admins: they move orders along, find them, and nobody else does.

use ordermill_tests::actors::text;
use ordermill_tests::{Admin, Shop, ShopPlan};
use serde_json::{Value, json};

async fn found(admin: &Admin, query: &str) -> Vec<String> {
    let list = admin.get(&format!("/v1/admin/orders?{query}")).await.expect(200);
    list["data"].as_array().expect("a list").iter().map(|order| text(&order["id"])).collect()
}

#[tokio::test]
async fn a_paid_order_is_packed_shipped_and_delivered() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    let admin = shop.admin();

    let refused = admin.moves(&order, "shipped").await.refused(409, "illegal_move");
    assert_eq!(refused["allowed_transitions"], json!(["packed", "cancelled"]));
    for (status, next) in [
        ("packed", json!(["shipped", "cancelled"])),
        ("shipped", json!(["delivered"])),
        ("delivered", json!([])),
    ] {
        let moved = admin.moves(&order, status).await.expect(200);
        assert_eq!((&moved["status"], &moved["allowed_transitions"]), (&json!(status), &next));
        let again = admin.moves(&order, status).await.expect(200);
        assert_eq!(again["version"], moved["version"], "a repeated move changes nothing");
    }
    let refused = admin.moves(&order, "packed").await.refused(409, "illegal_move");
    assert_eq!(refused["allowed_transitions"], json!([]));
    admin.moves(&order, "paid").await.refused(400, "validation_failed");
    admin.moves("ord_00000000000000000000000000", "packed").await.refused(404, "not_found");

    let seen = buyer.see(&order).await;
    let history = seen["history"].as_array().expect("a history");
    let by: Vec<_> = history.iter().map(|entry| entry["by"].as_str().expect("a name")).collect();
    assert_eq!(by, ["buyer", "worker", "worker", "admin", "admin", "admin"]);
    assert_eq!(seen["version"], 6);
    assert_eq!(shop.admin().stock(&mug).await, 4);
    shop.close().await;
}

#[tokio::test]
async fn orders_are_found_by_status_buyer_product_and_age() {
    let mut shop = Shop::open().await;
    let admin = shop.admin().clone();
    let (mug, cup) = (admin.sells("MUG", 5).await, admin.sells("CUP", 5).await);
    let (ann, bob) = (shop.buyer().await, shop.buyer().await);
    let paid = ann.order(&mug, 1, "tok_approve").await;
    let declined = bob.order(&cup, 1, "tok_decline_no_funds").await;
    ann.sees(&paid, "paid").await;
    bob.sees(&declined, "payment_failed").await;
    shop.take_worker(0).stop().await;
    bob.add(&mug, 1).await.expect(200);
    let accepted = text(&bob.checkout("tok_approve").await.expect(202)["id"]);

    assert_eq!(found(&admin, "").await, [&*accepted, &declined, &paid], "the latest first");
    assert_eq!(found(&admin, "status=accepted").await, [&*accepted]);
    assert_eq!(found(&admin, "status=paid").await, [&*paid]);
    assert_eq!(found(&admin, "status=packed").await, [""; 0]);
    assert_eq!(found(&admin, &format!("user={}", bob.id)).await, [&*accepted, &declined]);
    assert_eq!(
        found(&admin, &format!("user={}&status=payment_failed", bob.id)).await,
        [&*declined]
    );
    assert_eq!(found(&admin, &format!("product={mug}")).await, [&*paid]);
    assert_eq!(found(&admin, "older_than=3600").await, [""; 0]);
    assert_eq!(found(&admin, "older_than=0").await.len(), 3);

    let first = admin.get("/v1/admin/orders?limit=2").await.expect(200);
    let next = format!("limit=2&cursor={}", text(&first["next_cursor"]));
    assert_eq!(found(&admin, &next).await, [&*paid]);
    let foreign = format!("/v1/admin/orders?status=paid&{next}");
    admin.get(&foreign).await.refused(400, "invalid_cursor");
    admin.get("/v1/admin/orders?status=lost").await.refused(400, "validation_failed");
    assert_eq!(first["data"][0]["user_id"], json!(bob.id));
    shop.start_worker();
    ordermill_tests::until("the last order ends", || async {
        let ended = bob.see(&accepted).await["status"] != "accepted";
        ended.then_some(())
    })
    .await;
    shop.close().await;
}

#[tokio::test]
async fn what_is_an_admins_is_forbidden_to_buyers_and_unknown_to_strangers() {
    let shop = Shop::open_as(ShopPlan::workers(0)).await;
    let buyer = shop.buyer().await;
    let order = "ord_00000000000000000000000000";
    let reads = [
        "/v1/admin/orders".to_owned(),
        format!("/v1/admin/orders/{order}"),
        "/v1/admin/dead-letters".to_owned(),
    ];
    for path in reads {
        buyer.get(&path).await.refused(403, "forbidden");
        let stranger = shop.http().try_send(reqwest::Method::GET, &path, None, &[], None).await;
        stranger.expect("the API answers").refused(401, "unauthenticated");
    }
    let packed = json!({"status": "packed"});
    let writes: [(String, Value); 3] = [
        (format!("/v1/admin/orders/{order}/status"), packed),
        (format!("/v1/admin/orders/{order}/cancel"), json!({})),
        ("/v1/admin/products".to_owned(), json!({})),
    ];
    for (path, body) in writes {
        buyer.post(&path, &body).await.refused(403, "forbidden");
    }
    shop.close().await;
}

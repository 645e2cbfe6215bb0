//! What an admin sees and does with anybody's orders.

use ordermill_common::user::Role;
use serde_json::{Value, json};

use crate::stage::{Actor, with_shop};

fn ids(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().expect("a list");
    rows.iter().map(|order| order["id"].as_str().expect("an id")).collect()
}

async fn listed(admin: &Actor, query: &str) -> Value {
    admin.get(&format!("/admin/orders?{query}")).await.expect(200)
}

#[tokio::test]
async fn an_admin_moves_an_order_along_one_step_at_a_time() {
    with_shop(async |shop| {
        let (buyer, admin) = (shop.buyer().await, shop.account(Role::Admin).await);
        let mug = shop.product("Mug", 500, 9).await;
        let id = buyer.order(&mug).await;
        let status = format!("/admin/orders/{id}/status");
        let to = |to: &str| json!({"status": to});
        buyer.post(&status, to("packed")).await.refused(403, "forbidden");
        let illegal = admin.post(&status, to("packed")).await.refused(409, "illegal_move");
        assert_eq!(illegal["allowed_transitions"], json!(["cancelled"]));
        shop.becomes(&id, "paid").await;
        let illegal = admin.post(&status, to("shipped")).await.refused(409, "illegal_move");
        assert_eq!(illegal["allowed_transitions"], json!(["packed", "cancelled"]));
        for step in ["packed", "shipped", "delivered"] {
            let moved = admin.post(&status, to(step)).await.expect(200);
            let again = admin.post(&status, to(step)).await.expect(200);
            assert_eq!((&moved["status"], &moved), (&json!(step), &again));
        }
        for other in ["paid", "cancelled", "lost"] {
            admin.post(&status, to(other)).await.refused(400, "validation_failed");
        }
        let seen = buyer.get(&format!("/orders/{id}")).await.expect(200);
        let events: Vec<_> =
            seen["history"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
        assert_eq!(
            events[events.len() - 3..],
            [&json!("packed"), &json!("shipped"), &json!("delivered")]
        );
        let last = seen["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["by"], &last["version"]), (&json!("admin"), &seen["version"]));
        let seen = admin.get(&format!("/admin/orders/{id}")).await.expect(200);
        let last = seen["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["by"], format!("admin {}", admin.id));
        assert_eq!(seen["user_id"], json!(buyer.id));
        let unknown = ordermill_common::id::OrderId::mint();
        let nowhere = format!("/admin/orders/{unknown}/status");
        admin.post(&nowhere, to("packed")).await.refused(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn an_undecided_wish_to_cancel_stops_the_admins_moves() {
    with_shop(async |shop| {
        let (buyer, admin) = (shop.buyer().await, shop.account(Role::Admin).await);
        let mug = shop.product("Mug", 500, 9).await;
        let id = buyer.order(&mug).await;
        shop.becomes(&id, "packed").await;
        let cancel = format!("/admin/orders/{id}/cancel");
        buyer.post(&cancel, json!(null)).await.refused(403, "forbidden");
        let wished = admin.post(&cancel, json!({"reason": "lost"})).await.expect(202);
        assert_eq!(
            (&wished["status"], &wished["cancellation"]["reason"]),
            (&json!("packed"), &json!("lost"))
        );
        let by: String = sqlx::query_scalar("select requested_by from cancellations")
            .fetch_one(shop.db.pool())
            .await
            .unwrap();
        assert_eq!(by, format!("admin {}", admin.id));
        let status = format!("/admin/orders/{id}/status");
        admin.post(&status, json!({"status": "packed"})).await.expect(200);
        let shipping = admin.post(&status, json!({"status": "shipped"})).await;
        shipping.refused(409, "cancellation_pending");
        shop.run(
            "update cancellations set outcome = 'refused', decided_at = now(6) where order_id = ?",
            &id,
        )
        .await;
        admin.post(&status, json!({"status": "shipped"})).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn orders_are_found_by_status_age_buyer_and_product() {
    with_shop(async |shop| {
        let (one, two) = (shop.buyer().await, shop.buyer().await);
        let admin = shop.account(Role::Admin).await;
        let (mug, pot) = (shop.product("Mug", 500, 9).await, shop.product("Pot", 900, 9).await);
        let first = one.order(&mug).await;
        let second = two.order(&pot).await;
        let third = two.order(&mug).await;
        shop.becomes(&first, "paid").await;
        shop.becomes(&second, "paid").await;
        assert_eq!(ids(&listed(&admin, "").await), [&third, &second, &first]);
        assert_eq!(ids(&listed(&admin, "status=accepted").await), [&third]);
        assert_eq!(ids(&listed(&admin, "status=paid").await), [&second, &first]);
        assert_eq!(ids(&listed(&admin, &format!("user={}", two.id)).await), [&third, &second]);
        let query = format!("user={}&status=accepted", two.id);
        assert_eq!(ids(&listed(&admin, &query).await), [&third]);
        assert_eq!(ids(&listed(&admin, &format!("product={mug}")).await), [&first]);
        let query = format!("product={pot}&user={}&status=paid", two.id);
        assert_eq!(ids(&listed(&admin, &query).await), [&second]);
        assert_eq!(ids(&listed(&admin, "older_than=0&limit=1").await), [&third]);
        assert!(ids(&listed(&admin, "older_than=3600").await).is_empty());
        let page = listed(&admin, "status=paid&limit=1").await;
        assert_eq!((ids(&page), &page["has_more"]), (vec![second.as_str()], &json!(true)));
        let next = page["next_cursor"].as_str().unwrap();
        let page = listed(&admin, &format!("status=paid&limit=1&cursor={next}")).await;
        assert_eq!((ids(&page), &page["has_more"]), (vec![first.as_str()], &json!(false)));
        let other = format!("/admin/orders?status=packed&cursor={next}");
        admin.get(&other).await.refused(400, "invalid_cursor");
        for query in ["status=lost", "user=me", "product=x", "older_than=-1", "colour=red"] {
            admin.get(&format!("/admin/orders?{query}")).await.refused(400, "validation_failed");
        }
        one.get("/admin/orders").await.refused(403, "forbidden");
    })
    .await;
}

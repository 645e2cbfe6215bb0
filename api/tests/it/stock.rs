//! Stock moves by deltas, with a row of the ledger each, and never falls below zero.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::stage::{Actor, Reply, Shop, with_shop};

async fn adjust(shop: &Shop, admin: &Actor, id: &str, delta: i64, reason: &str) -> Reply {
    let body = json!({"delta": delta, "reason": reason});
    shop.post(&format!("/v1/admin/products/{id}/stock"), &body).by(admin).send().await
}

async fn ledger(shop: &Shop, admin: &Actor, id: &str) -> Vec<Value> {
    let list = shop.get(&format!("/v1/admin/products/{id}/stock?limit=100")).by(admin).send().await;
    list.is(200).body["data"].as_array().expect("a list").clone()
}

fn sum(rows: &[Value]) -> i64 {
    rows.iter().map(|row| row["delta"].as_i64().expect("a number")).sum()
}

#[tokio::test]
async fn each_adjustment_is_kept_with_its_reason_the_initial_stock_first() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        let more = adjust(shop, &admin, &id, 10, " delivery 7 ").await;
        assert_eq!(more.is(200).body, json!({"product_id": id, "available": 15}));
        let less = adjust(shop, &admin, &id, -15, "broken").await;
        assert_eq!(less.is(200).body["available"], 0);
        let short = adjust(shop, &admin, &id, -1, "broken").await;
        assert_eq!(short.refuses(409, "insufficient_stock").body["available"], 0);
        let rows = ledger(shop, &admin, &id).await;
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row["delta"].as_i64().unwrap(), row["reason"].as_str().unwrap()))
            .collect();
        assert_eq!(told, [(-15, "broken"), (10, "delivery 7"), (5, "initial stock")]);
        for row in &rows {
            assert_eq!(row["by"], json!(admin.id.to_string()));
            assert!(row["at"].as_str().unwrap().ends_with('Z'));
        }
        let other = shop.product(&admin, "CUP", 1, 0).await;
        assert_eq!(ledger(shop, &admin, &other).await.len(), 1, "a stock of zero has its row too");
    })
    .await;
}

#[tokio::test]
async fn the_ledger_is_read_in_pages() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 1).await;
        for n in 2..=7 {
            adjust(shop, &admin, &id, n, "delivery").await.is(200);
        }
        let (mut path, mut deltas) = (format!("/v1/admin/products/{id}/stock?limit=3"), vec![]);
        loop {
            let page = shop.get(&path).by(&admin).send().await;
            deltas.extend(
                page.is(200).body["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["delta"].as_i64().unwrap()),
            );
            let Some(cursor) = page.body["next_cursor"].as_str() else { break };
            adjust(shop, &admin, &id, 100, "in between").await.is(200);
            path = format!("/v1/admin/products/{id}/stock?limit=3&cursor={cursor}");
        }
        assert_eq!(deltas, [7, 6, 5, 4, 3, 2, 1]);
        let other = shop.product(&admin, "CUP", 1, 1).await;
        let foreign = path.replace(&id, &other);
        shop.get(&foreign).by(&admin).send().await.refuses(400, "invalid_cursor");
    })
    .await;
}

#[tokio::test]
async fn parallel_adjustments_are_all_counted_and_never_fall_below_zero() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 50).await;
        let replies =
            join_all((0..30).map(|_| adjust(shop, &admin, &id, -3, "sold at the fair"))).await;
        let done = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(done, 16);
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            assert_eq!(reply.refuses(409, "insufficient_stock").body["available"], 2);
        }
        let mixed =
            (0..30).map(|n| adjust(shop, &admin, &id, if n % 2 == 0 { 4 } else { -5 }, "count"));
        join_all(mixed).await;
        let product = shop.get(&format!("/v1/products/{id}")).send().await;
        let available = product.body["available"].as_i64().unwrap();
        assert!(available >= 0);
        assert_eq!(sum(&ledger(shop, &admin, &id).await), available);
        assert_eq!(product.body["version"], 1, "stock is not the product's version");
    })
    .await;
}

#[tokio::test]
async fn an_adjustment_that_cannot_be_meant_is_refused_and_writes_nothing() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        for (body, pointer) in [
            (json!({"delta": 0, "reason": "x"}), "#/delta"),
            (json!({"delta": 1_000_000_001, "reason": "x"}), "#/delta"),
            (json!({"delta": i64::MIN, "reason": "x"}), "#/delta"),
            (json!({"delta": u64::MAX, "reason": "x"}), "#/delta"),
            (json!({"delta": 1.5, "reason": "x"}), "#/delta"),
            (json!({"delta": "1", "reason": "x"}), "#/delta"),
            (json!({"delta": 1, "reason": " "}), "#/reason"),
            (json!({"delta": 1, "reason": "x".repeat(201)}), "#/reason"),
            (json!({"delta": 1}), "#/reason"),
            (json!({"delta": 1, "reason": "x", "available": 9}), "#/available"),
        ] {
            let path = format!("/v1/admin/products/{id}/stock");
            let reply = shop.post(&path, &body).by(&admin).send().await;
            assert_eq!(reply.refuses(400, "validation_failed").pointers(), [pointer], "{body}");
        }
        assert_eq!(ledger(shop, &admin, &id).await.len(), 1);
        adjust(shop, &admin, "prd_00000000000000000000000000", 1, "x")
            .await
            .refuses(404, "not_found");
        let path = "/v1/admin/products/prd_00000000000000000000000000/stock";
        shop.get(path).by(&admin).send().await.refuses(404, "not_found");
    })
    .await;
}

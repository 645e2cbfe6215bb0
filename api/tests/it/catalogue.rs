//! Admins make, edit, delete and restore products; the public sees what is for sale.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Actor, Reply, Shop, with_shop};

fn mug() -> Value {
    json!({
        "sku": "MUG-1", "name": "  Blue mug ", "description": "Holds tea.\nOr coffee.",
        "price": {"amount": 1999, "currency": "EUR"}, "stock": 5,
    })
}

fn edit(name: &str, amount: i64) -> Value {
    json!({"name": name, "description": "", "price": {"amount": amount, "currency": "EUR"}})
}

async fn put(shop: &Shop, admin: &Actor, id: &str, tag: Option<&str>, body: &Value) -> Reply {
    let call = shop.put(&format!("/v1/admin/products/{id}"), body).by(admin);
    let call = match tag {
        Some(tag) => call.header("if-match", tag),
        None => call,
    };
    call.send().await
}

#[tokio::test]
async fn a_product_is_made_with_its_stock_and_found_by_everybody() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let made = shop.post("/v1/admin/products", &mug()).by(&admin).send().await;
        made.is(201);
        let id = made.body["id"].as_str().unwrap();
        assert_eq!(made.header("location"), format!("/v1/admin/products/{id}"));
        assert_eq!(made.header("etag"), "\"1\"");
        assert_eq!(made.body["deleted_at"], Value::Null);
        let seen = shop.get(&format!("/v1/products/{id}")).send().await;
        let body = &seen.is(200).body;
        assert_eq!((&body["sku"], &body["name"]), (&json!("MUG-1"), &json!("Blue mug")));
        assert_eq!(body["price"], json!({"amount": 1999, "currency": "EUR"}));
        assert_eq!((&body["available"], &body["version"]), (&json!(5), &json!(1)));
        assert!(body.get("deleted_at").is_none(), "that is for admins");
        let listed = shop.get("/v1/products").send().await;
        assert_eq!(listed.body["data"][0], *body);
        let bare = json!({"sku": "BARE", "name": "b", "price": {"amount": 0, "currency": "EUR"}});
        let bare = shop.post("/v1/admin/products", &bare).by(&admin).send().await;
        assert_eq!(
            (&bare.is(201).body["available"], &bare.body["description"]),
            (&json!(0), &json!(""))
        );
    })
    .await;
}

#[tokio::test]
async fn a_sku_is_one_products_for_good_and_letters_have_their_case() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let tries = (0..8).map(|_| shop.post("/v1/admin/products", &mug()).by(&admin).send());
        let replies = join_all(tries).await;
        let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(made.len(), 1, "{replies:?}");
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            reply.refuses(409, "sku_taken");
        }
        let path = format!("/v1/admin/products/{}", made[0].body["id"].as_str().unwrap());
        shop.call(Method::DELETE, &path).by(&admin).send().await.is(204);
        let again = shop.post("/v1/admin/products", &mug()).by(&admin).send().await;
        again.refuses(409, "sku_taken");
        shop.product(&admin, "mug-1", 1, 0).await;
        let rows: i64 = sqlx::query_scalar("select count(*) from stock_ledger")
            .fetch_one(shop.app.db.pool())
            .await
            .unwrap();
        assert_eq!(rows, 2, "a refused product leaves no stock behind");
    })
    .await;
}

#[tokio::test]
async fn an_edit_names_the_version_that_it_replaces() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        let tea = edit("Tea mug", 2);
        put(shop, &admin, &id, None, &tea).await.refuses(428, "precondition_required");
        for stale in ["\"2\"", "W/\"1\"", "1", "\"x\"", ""] {
            let refused = put(shop, &admin, &id, Some(stale), &tea).await;
            assert_eq!(refused.refuses(412, "precondition_failed").body["version"], 1, "{stale}");
        }
        let edited = put(shop, &admin, &id, Some("\"1\""), &tea).await;
        assert_eq!((edited.is(200).header("etag"), &edited.body["name"]), ("\"2\"", &json!("Tea mug")));
        assert_eq!(edited.body["available"], 5, "an edit does not touch the stock");
        put(shop, &admin, &id, Some("\"1\""), &tea).await.refuses(412, "precondition_failed");
        put(shop, &admin, &id, Some("*"), &edit("Any", 3)).await.is(200);
        let gone = "prd_00000000000000000000000000";
        put(shop, &admin, gone, Some("\"1\""), &tea).await.refuses(404, "not_found");
        let with_stock = json!({"name": "x", "description": "", "price": {"amount": 1, "currency": "EUR"}, "stock": 9});
        let refused = put(shop, &admin, &id, Some("*"), &with_stock).await;
        assert_eq!(refused.is(400).pointers(), ["#/stock"]);
    })
    .await;
}

#[tokio::test]
async fn of_parallel_edits_of_one_version_one_succeeds() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        let edits: Vec<_> = (0..8).map(|n| edit(&format!("mug {n}"), n)).collect();
        let replies =
            join_all(edits.iter().map(|body| put(shop, &admin, &id, Some("\"1\""), body))).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_product_is_gone_for_the_public_and_comes_back() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        let (public, path) = (format!("/v1/products/{id}"), format!("/v1/admin/products/{id}"));
        for _ in 0..2 {
            shop.call(Method::DELETE, &path).by(&admin).send().await.is(204);
        }
        shop.get(&public).send().await.refuses(404, "not_found");
        assert_eq!(shop.get("/v1/products").send().await.body["data"], json!([]));
        let kept = shop.get(&path).by(&admin).send().await;
        assert!(kept.is(200).body["deleted_at"].is_string());
        assert_eq!(kept.body["version"], 2, "the second deletion changed nothing");
        for _ in 0..2 {
            let back = shop.post(&format!("{path}/restore"), &json!({})).by(&admin).send().await;
            assert_eq!(
                (&back.is(200).body["deleted_at"], &back.body["version"]),
                (&Value::Null, &json!(3))
            );
        }
        assert_eq!(shop.get(&public).send().await.is(200).body["available"], 5);
        let gone = "/v1/admin/products/prd_00000000000000000000000000";
        shop.call(Method::DELETE, gone).by(&admin).send().await.refuses(404, "not_found");
        let gone = format!("{gone}/restore");
        shop.post(&gone, &json!({})).by(&admin).send().await.refuses(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_field_is_told_with_its_place() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        for (field, value, pointer) in [
            ("sku", json!(""), "#/sku"),
            ("sku", json!("x".repeat(65)), "#/sku"),
            ("sku", json!("a b"), "#/sku"),
            ("sku", json!("é"), "#/sku"),
            ("name", json!("  "), "#/name"),
            ("name", json!("x".repeat(201)), "#/name"),
            ("name", json!("a\u{7}b"), "#/name"),
            ("description", json!("x".repeat(4_001)), "#/description"),
            ("description", json!("a\u{0}b"), "#/description"),
            ("price", json!({"amount": -1, "currency": "EUR"}), "#/price/amount"),
            (
                "price",
                json!({"amount": 1_000_000_000_001_i64, "currency": "EUR"}),
                "#/price/amount",
            ),
            ("price", json!({"amount": 1.5, "currency": "EUR"}), "#/price/amount"),
            ("price", json!({"amount": "1", "currency": "EUR"}), "#/price/amount"),
            ("price", json!({"amount": 1, "currency": "USD"}), "#/price/currency"),
            ("price", json!({"amount": 1, "currency": "eur"}), "#/price/currency"),
            ("price", json!({"amount": 1}), "#/price/currency"),
            ("stock", json!(-1), "#/stock"),
            ("stock", json!(1_000_000_001), "#/stock"),
            ("id", json!("x"), "#/id"),
        ] {
            let mut body = mug();
            body[field] = value;
            let reply = shop.post("/v1/admin/products", &body).by(&admin).send().await;
            assert_eq!(reply.refuses(400, "validation_failed").pointers(), [pointer], "{body}");
        }
        let most = json!({
            "sku": "~!@#$%^&*()_+{}|:\"<>?[]\\;',./`", "name": "🎉".repeat(200),
            "description": "ü".repeat(4_000),
            "price": {"amount": 1_000_000_000_000_i64, "currency": "EUR"}, "stock": 1_000_000_000,
        });
        let made = shop.post("/v1/admin/products", &most).by(&admin).send().await;
        made.is(201);
        for field in ["sku", "name", "description", "price"] {
            assert_eq!(made.body[field], most[field]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_who_has_it_already_is_told_so_until_it_changes() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let id = shop.product(&admin, "MUG", 1, 5).await;
        for path in [format!("/v1/products/{id}"), "/v1/products".to_owned()] {
            let first = shop.get(&path).send().await;
            assert!(first.is(200).header("cache-control").starts_with("public, max-age="));
            let tag = first.header("etag").to_owned();
            let again = shop.get(&path).header("if-none-match", &tag).send().await;
            assert_eq!(
                (again.status, again.text.as_str(), again.header("etag")),
                (304, "", tag.as_str())
            );
            let weak = format!("\"other\", W/{tag}");
            shop.get(&path).header("if-none-match", &weak).send().await.is(304);
            let sale = json!({"delta": -1, "reason": "broken"});
            shop.post(&format!("/v1/admin/products/{id}/stock"), &sale)
                .by(&admin)
                .send()
                .await
                .is(200);
            shop.get(&path).header("if-none-match", &tag).send().await.is(200);
        }
    })
    .await;
}

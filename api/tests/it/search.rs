//! The public list: orders, filters, texts, and pages that hold while the catalogue changes.

use serde_json::Value;

use crate::stage::{Actor, Shop, with_shop};

/// Prices and names with ties, so that the id has to decide.
async fn stocked(shop: &Shop) -> Actor {
    let admin = shop.admin().await;
    for n in 0..23 {
        shop.product(&admin, &format!("SKU-{:02}", (n * 7) % 23), [100, 200, 300][n % 3], 1).await;
    }
    sqlx::query("update products set name = concat('Name ', substring(sku, 6, 1))")
        .execute(shop.app.db.pool())
        .await
        .expect("the database answers");
    admin
}

fn texts(page: &Value, field: &str) -> Vec<String> {
    let rows = page["data"].as_array().expect("a list").iter();
    rows.map(|row| row[field].as_str().expect("a text").to_owned()).collect()
}

/// Follows the list to its end through `Link`, and answers its rows.
async fn walk(shop: &Shop, first: &str, mut between: impl AsyncFnMut()) -> Vec<Value> {
    let (mut path, mut rows) = (first.to_owned(), Vec::new());
    loop {
        let page = shop.get(&path).send().await;
        rows.extend(page.is(200).body["data"].as_array().expect("a list").clone());
        assert_eq!(page.body["has_more"], page.body["next_cursor"].is_string());
        match page
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.split_once(">; rel=\"next\""))
        {
            Some((next, "")) => path = next.to_owned(),
            None => return rows,
            Some(_) => panic!("{}", page.header("link")),
        }
        assert!(path.contains(page.body["next_cursor"].as_str().expect("a cursor")));
        between().await;
    }
}

#[tokio::test]
async fn every_order_shows_each_product_once_and_in_order() {
    with_shop(async |shop| {
        stocked(shop).await;
        for limit in [1, 4, 23, 100] {
            for sort in ["newest", "price", "-price", "name"] {
                let path = format!("/v1/products?sort={sort}&limit={limit}");
                let rows = walk(shop, &path, async || ()).await;
                let key = |row: &Value| {
                    let id = row["id"].as_str().unwrap().to_owned();
                    let price = row["price"]["amount"].as_i64().unwrap();
                    match sort {
                        "newest" => (0, String::new(), id),
                        "name" => (0, row["name"].as_str().unwrap().to_owned(), id),
                        _ => (price, String::new(), id),
                    }
                };
                let keys: Vec<_> = rows.iter().map(key).collect();
                let mut sorted = keys.clone();
                sorted.sort();
                sorted.dedup();
                if matches!(sort, "newest" | "-price") {
                    sorted.reverse();
                }
                assert_eq!((keys.len(), &keys), (23, &sorted), "{path}");
            }
        }
        assert_eq!(
            shop.get("/v1/products").send().await.body["data"].as_array().unwrap().len(),
            20
        );
    })
    .await;
}

#[tokio::test]
async fn pages_hold_while_products_come_and_go() {
    with_shop(async |shop| {
        let admin = stocked(shop).await;
        for (sort, price) in [("newest", 1), ("price", 50), ("-price", 999), ("name", 1)] {
            let before: Vec<_> =
                walk(shop, &format!("/v1/products?sort={sort}&limit=100"), async || ()).await;
            let (mut made, first) = (0, if sort == "name" { "!" } else { sort });
            let rows = walk(shop, &format!("/v1/products?sort={sort}&limit=5"), async || {
                made += 1;
                // It stands before the cursor, so it would push others onto the next page.
                shop.product(&admin, &format!("{first}{made}"), price, 1).await;
            })
            .await;
            assert_eq!(made, before.len().div_ceil(5) - 1);
            let ids =
                |rows: &[Value]| rows.iter().map(|row| row["id"].to_string()).collect::<Vec<_>>();
            assert_eq!(ids(&rows), ids(&before), "{sort}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_continues_its_own_list_only() {
    with_shop(async |shop| {
        let admin = stocked(shop).await;
        let page = shop.get("/v1/products?sort=price&limit=2&q=sku").send().await;
        let cursor = page.body["next_cursor"].as_str().unwrap();
        shop.get(&format!("/v1/products?sort=price&q=sku&limit=50&cursor={cursor}"))
            .send()
            .await
            .is(200);
        for other in
            ["sort=name&q=sku", "sort=price", "sort=price&q=skux", "sort=price&q=sku&min_price=1"]
        {
            let reply = shop.get(&format!("/v1/products?{other}&cursor={cursor}")).send().await;
            reply.refuses(400, "invalid_cursor");
        }
        let flipped = format!("{}{}", &cursor[..cursor.len() - 3], "AAA");
        for bad in ["x", "%00", "AAAAAAAAAAAAAAAA", &flipped, &"A".repeat(6_000), ""] {
            let path = format!("/v1/products?sort=price&q=sku&cursor={bad}");
            shop.get(&path).send().await.refuses(400, "invalid_cursor");
        }
        let path = format!(
            "/v1/admin/products/{}/stock?cursor={cursor}",
            page.body["data"][0]["id"].as_str().unwrap()
        );
        shop.get(&path).by(&admin).send().await.refuses(400, "invalid_cursor");
    })
    .await;
}

#[tokio::test]
async fn texts_are_found_in_names_and_skus_in_any_case_and_stand_for_themselves() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        for (sku, name) in [
            ("MUG-1", "Blue mug"),
            ("PCT", "50% off_er"),
            ("QUOTE'\"", "O'Neil; drop table products; --"),
            ("BACK\\SLASH", "back\\slash"),
            ("BANG!", "wow!"),
            ("DE", "Grüße aus Köln"),
        ] {
            let id = shop.product(&admin, sku, 1, 1).await;
            sqlx::query("update products set name = ? where sku = ?")
                .bind(name)
                .bind(sku)
                .execute(shop.app.db.pool())
                .await
                .unwrap();
            drop(id);
        }
        for (q, expected) in [
            ("blue MUG", &["MUG-1"][..]),
            ("mug-1", &["MUG-1"]),
            (" mug ", &["MUG-1"]),
            ("%", &["PCT"]),
            ("_", &["PCT"]),
            ("!", &["BANG!"]),
            ("\\", &["BACK\\SLASH"]),
            ("'", &["QUOTE'\""]),
            ("KÖLN", &["DE"]),
            ("' or '1'='1", &[]),
            ("x') or 1=1 -- ", &[]),
            ("'; drop table products; --", &[]),
            ("50%% off", &[]),
            ("\u{0}", &[]),
            ("ﷺ", &[]),
        ] {
            let url = reqwest::Url::parse_with_params("http://x/v1/products", [("q", q)]).unwrap();
            let path = format!("{}?{}", url.path(), url.query().unwrap());
            let found = shop.get(&path).send().await;
            assert_eq!(texts(&found.is(200).body, "sku"), expected, "{q}");
        }
        for all in ["/v1/products?q=", "/v1/products?q=%20%20"] {
            assert_eq!(texts(&shop.get(all).send().await.body, "sku").len(), 6);
        }
    })
    .await;
}

#[tokio::test]
async fn emoji_are_told_apart_and_the_text_beside_them_is_found_in_any_case() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        for (sku, name) in [
            ("HAT", "Party hat \u{1f389}"),
            ("CAKE", "Grüße \u{1f9c1}"),
            ("FAMILY", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"),
            ("FIELD", "\u{20bb7}"),
            ("HEART", "\u{2764}\u{fe0f}"),
        ] {
            shop.product(&admin, sku, 1, 1).await;
            sqlx::query("update products set name = ? where sku = ?")
                .bind(name)
                .bind(sku)
                .execute(shop.app.db.pool())
                .await
                .unwrap();
        }
        for (q, expected) in [
            ("\u{1f389}", &["HAT"][..]),
            ("\u{1f9c1}", &["CAKE"]),
            ("\u{1f680}", &[]),
            ("HAT \u{1f389}", &["HAT"]),
            ("GRÜSSE \u{1f9c1}", &[]),
            ("GRÜßE \u{1f9c1}", &["CAKE"]),
            ("hat \u{1f9c1}", &[]),
            ("\u{1f468}", &["FAMILY"]),
            ("\u{1f469}\u{200d}\u{1f467}", &["FAMILY"]),
            ("\u{20bb7}", &["FIELD"]),
            ("\u{20bb8}", &[]),
            ("\u{1f389}\u{1f389}", &[]),
            ("\u{2764}", &["HEART"]),
        ] {
            let url = reqwest::Url::parse_with_params("http://x/v1/products", [("q", q)]).unwrap();
            let path = format!("{}?{}", url.path(), url.query().unwrap());
            let found = shop.get(&path).send().await;
            assert_eq!(texts(&found.is(200).body, "sku"), expected, "{q}");
        }
    })
    .await;
}

#[tokio::test]
async fn prices_are_filtered_at_both_ends() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        for price in [0, 100, 200, 1_000_000_000_000] {
            shop.product(&admin, &price.to_string(), price, 0).await;
        }
        for (filter, expected) in [
            ("min_price=100&max_price=200", &["100", "200"][..]),
            ("min_price=101", &["200", "1000000000000"]),
            ("max_price=0", &["0"]),
            ("min_price=200&max_price=100", &[]),
            (
                "min_price=-9223372036854775808&max_price=9223372036854775807",
                &["0", "100", "200", "1000000000000"],
            ),
        ] {
            for sort in ["price", "newest", "name", "-price"] {
                let found = shop.get(&format!("/v1/products?sort={sort}&{filter}")).send().await;
                let mut skus = texts(&found.is(200).body, "sku");
                skus.sort_by_key(|sku| sku.parse::<i64>().unwrap());
                assert_eq!(skus, expected, "{filter} {sort}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_parameter_that_cannot_be_meant_is_refused() {
    with_shop(async |shop| {
        for (query, pointer) in [
            ("limit=0", "?limit"),
            ("limit=101", "?limit"),
            ("limit=-1", "?limit"),
            ("limit=ten", "?limit"),
            ("limit=1&limit=2", "?"),
            ("sort=price;drop", "?sort"),
            ("sort=", "?sort"),
            ("min_price=1.5", "?min_price"),
            ("max_price=99999999999999999999", "?max_price"),
            ("serach=mug", "?"),
            (&format!("q={}", "x".repeat(201)), "?q"),
        ] {
            let reply = shop.get(&format!("/v1/products?{query}")).send().await;
            let pointers = reply.refuses(400, "validation_failed").pointers();
            assert!(pointers[0].starts_with(pointer), "{query}: {pointers:?}");
        }
    })
    .await;
}

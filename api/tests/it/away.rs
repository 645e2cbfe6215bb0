//! The database is away, or not ready yet.

use ordermill_common::db::{self, Db};

use crate::stage::{NOWHERE, until, with_database, with_server};

#[tokio::test]
async fn without_its_database_the_api_lives_is_not_ready_and_says_so() {
    with_server(&format!("mysql://x:x@{NOWHERE}/x"), async |shop| {
        assert_eq!(shop.health("/livez").await.0, 200);
        let (status, body) = shop.health("/readyz?verbose").await;
        assert_eq!(status, 503);
        assert!(body.contains("\"database\"") && body.contains("failed"), "{body}");
        assert_eq!(shop.health("/readyz").await, (503, "not ready\n".to_owned()));
        let reply = shop.get("/v1/products").send().await;
        assert_eq!(reply.refuses(503, "unavailable").header("retry-after"), "1");
    })
    .await;
}

#[tokio::test]
async fn the_api_opens_by_itself_once_the_schema_is_there() {
    with_database(async |url| {
        with_server(&url, async |shop| {
            until("it says what it waits for", async || {
                shop.health("/readyz?verbose").await.1.contains("run ordermill-api migrate")
            })
            .await;
            shop.get("/v1/products").send().await.refuses(503, "unavailable");
            db::migrate(&Db::new(&url, 1).unwrap()).await.unwrap();
            shop.until_ready().await;
            shop.get("/v1/products").send().await.is(200);
            let (_, body) = shop.health("/readyz?verbose").await;
            assert!(body.contains(r#"{"name":"database","standing":"ok"}"#), "{body}");
            assert!(body.contains(r#"{"name":"migrations","standing":"ok"}"#), "{body}");
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_unavailable_and_not_internal() {
    with_database(async |url| {
        db::migrate(&Db::new(&url, 1).unwrap()).await.unwrap();
        with_server(&url, async |shop| {
            shop.until_ready().await;
            shop.app.db.close().await;
            shop.get("/v1/products").send().await.refuses(503, "unavailable");
            let body = serde_json::json!({"email": "a@b.example", "password": "0123456789"});
            shop.post("/v1/auth/register", &body).send().await.refuses(503, "unavailable");
            until("it is not ready", async || shop.health("/readyz").await.0 == 503).await;
            assert_eq!(shop.health("/livez").await.0, 200);
        })
        .await;
    })
    .await;
}

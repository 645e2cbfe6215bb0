//! Registering, logging in, and who one is.

use futures::future::join_all;
use ordermill_common::user::Hasher;
use serde_json::{Value, json};

use crate::stage::{PASSWORD, Shop, with_shop};

async fn count(shop: &Shop, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(shop.app.db.pool()).await.expect("the database answers")
}

fn ann() -> Value {
    json!({"email": " Ann@Example.ORG ", "password": PASSWORD})
}

#[tokio::test]
async fn a_visitor_registers_logs_in_and_is_somebody() {
    with_shop(async |shop| {
        let made = shop.post("/v1/auth/register", &ann()).send().await;
        made.is(201);
        assert_eq!(made.body["email"], "ann@example.org");
        assert_eq!(made.body["role"], "user");
        assert_eq!(made.header("cache-control"), "no-store");
        assert!(!made.text.contains("password") && !made.text.contains("$2"), "{}", made.text);

        let other_spelling = json!({"email": "ANN@example.org", "password": PASSWORD});
        let session = shop.post("/v1/auth/login", &other_spelling).send().await;
        session.is(200);
        assert_eq!(session.header("cache-control"), "no-store");
        assert_eq!(session.body["token_type"], "Bearer");
        assert_eq!(session.body["expires_in"], 900);
        assert_eq!(session.body["user"], made.body);

        let token = session.body["access_token"].as_str().unwrap();
        let me = shop.get("/v1/me").bearer(token).send().await;
        assert_eq!(me.is(200).body, made.body);
        assert!(me.body["created_at"].as_str().unwrap().ends_with('Z'));
        assert!(me.body["id"].as_str().unwrap().starts_with("usr_"));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_register_one_email_at_once_one_succeeds_and_has_a_cart() {
    with_shop(async |shop| {
        let tries = (0..12).map(|_| shop.post("/v1/auth/register", &ann()).send());
        let replies = join_all(tries).await;
        let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(made.len(), 1);
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            reply.refuses(409, "email_taken");
        }
        assert_eq!(count(shop, "select count(*) from users").await, 1);
        let carts =
            "select count(*) from carts c join users u on u.id = c.user_id where c.version = 1";
        assert_eq!(count(shop, carts).await, 1);
        assert_eq!(count(shop, "select count(*) from carts").await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_limits_of_a_password_are_told_and_held() {
    with_shop(async |shop| {
        for (length, status) in [(9, 400), (10, 201), (71, 201), (72, 400), (5_000, 400)] {
            let email = format!("l{length}@example.org");
            let body = json!({"email": email, "password": "x".repeat(length)});
            let reply = shop.post("/v1/auth/register", &body).send().await;
            assert_eq!(
                reply.is(status).pointers(),
                if status == 400 { vec!["#/password"] } else { vec![] }
            );
            let login = shop.post("/v1/auth/login", &body).send().await;
            login.is(if status == 201 { 200 } else { 401 });
        }
        let long = json!({"email": "u@example.org", "password": "ü".repeat(36)});
        let reply = shop.post("/v1/auth/register", &long).send().await;
        assert!(reply.is(400).text.contains("71 bytes"), "{}", reply.text);
        let nul = json!({"email": "n@example.org", "password": "0123456789\u{0}"});
        assert_eq!(
            shop.post("/v1/auth/register", &nul).send().await.is(400).pointers(),
            ["#/password"]
        );
        // What bcrypt would have ignored does not open the account either.
        let longer = json!({"email": "l71@example.org", "password": "x".repeat(72)});
        shop.post("/v1/auth/login", &longer).send().await.refuses(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    with_shop(async |shop| {
        let body = json!({"email": "nobody", "password": "short"});
        let reply = shop.post("/v1/auth/register", &body).send().await;
        assert_eq!(reply.refuses(400, "validation_failed").pointers(), ["#/email", "#/password"]);
    })
    .await;
}

#[tokio::test]
async fn nobody_learns_from_a_login_who_has_an_account() {
    with_shop(async |shop| {
        shop.post("/v1/auth/register", &ann()).send().await.is(201);
        let wrong = json!({"email": "ann@example.org", "password": "wrong-horse-battery"});
        let unknown = json!({"email": "eve@example.org", "password": PASSWORD});
        let no_email = json!({"email": "eve", "password": PASSWORD});
        let no_password = json!({"email": "ann@example.org", "password": ""});
        let too_long = json!({"email": "ann@example.org", "password": "x".repeat(3_000)});
        let mut answers = Vec::new();
        for body in [wrong, unknown, no_email, no_password, too_long] {
            let before = shop.app.hasher.verified();
            let mut reply = shop.post("/v1/auth/login", &body).send().await;
            assert_eq!(shop.app.hasher.verified() - before, 1, "one verification for {body}");
            reply.refuses(401, "unauthenticated");
            reply.body["request_id"] = Value::Null;
            answers.push((reply.header("www-authenticate").to_owned(), reply.body));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0].0, "Bearer");
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_of_a_password_is_a_hash_of_the_configured_cost() {
    with_shop(async |shop| {
        shop.post("/v1/auth/register", &ann()).send().await.is(201);
        let kept: String = sqlx::query_scalar("select password_hash from users")
            .fetch_one(shop.app.db.pool())
            .await
            .unwrap();
        assert!(kept.starts_with("$2b$04$") && kept.len() == 60, "{kept}");
        assert!(bcrypt::verify(PASSWORD, &kept).unwrap());
        assert!(!format!("{:?}", Hasher::new(4)).contains("$2b"));
    })
    .await;
}

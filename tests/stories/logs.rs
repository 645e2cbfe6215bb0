//! What the logs tell, and what they never do.

use ordermill_tests::{Shop, ShopPlan, until};
use reqwest::Method;
use serde_json::{Value, json};

fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Whoever looks at the order may see it paid before its worker has heard that it is committed.
async fn settled_is_logged(shop: &Shop, order: &str) {
    until("the log says that the order is settled", || async {
        let logs = shop.logs();
        let mut lines = logs.lines();
        let told = lines.any(|line| line.contains("order settled") && line.contains(order));
        told.then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_request_id_tells_an_orders_story_across_the_processes() {
    let mut shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    buyer.add(&mug, 1).await.expect(200);
    let (id, body) = ("the-story-of-this-mug", json!({"payment_method": "tok_approve"}));
    let answer =
        buyer.send(Method::POST, "/v1/checkout", &[("x-request-id", id)], Some(&body)).await;
    assert_eq!(answer.header("x-request-id"), id);
    let order = ordermill_tests::actors::text(&answer.expect(202)["id"]);
    buyer.sees(&order, "paid").await;
    shop.at_rest().await;
    settled_is_logged(&shop, &order).await;

    let worker = shop.take_worker(0);
    let told = lines(&worker.log());
    worker.stop().await;
    let told: Vec<_> = told.iter().filter(|line| line.to_string().contains(id)).collect();
    for event in ["order reserved", "order settled"] {
        let line = told.iter().find(|line| line["message"] == event);
        let line = line.unwrap_or_else(|| panic!("{event} is not in {told:?}"));
        assert!(line.to_string().contains(&order), "{line}");
    }
    let api = shop.take_api();
    let told = lines(&api.log());
    api.stop().await;
    let requests = told.iter().filter(|line| line.to_string().contains(id)).count();
    assert_eq!(requests, 1, "one line a request");
    assert!(shop.ledger().iter().all(|call| call["request"] == id));
    shop.close().await;
}

#[tokio::test]
async fn a_request_id_that_could_break_a_line_is_replaced() {
    let shop = Shop::open_as(ShopPlan::workers(0)).await;
    let buyer = shop.buyer().await;
    let answer = buyer.send(Method::GET, "/v1/me", &[("x-request-id", "a b\"c")], None).await;
    let minted = answer.header("x-request-id").to_owned();
    assert!(minted.starts_with("req_"), "{minted}");
    answer.expect(200);
    assert!(shop.logs().contains(&minted));
    shop.close().await;
}

#[tokio::test]
async fn ordinary_orders_and_refusals_log_nothing_above_info() {
    let patient = ShopPlan::workers(2).with("ORDERMILL_CHARGE_TIMEOUT_MS", "10000");
    let shop = Shop::open_as(patient).await;
    let mug = shop.admin().sells("MUG", 2).await;
    let buyer = shop.buyer().await;
    for (quantity, token, status) in
        [(1, "tok_approve", "paid"), (1, "tok_decline_no_funds", "payment_failed")]
    {
        let order = buyer.order(&mug, quantity, token).await;
        buyer.sees(&order, status).await;
    }
    buyer.get("/v1/orders/ord_00000000000000000000000000").await.refused(404, "not_found");
    let cancelled = shop.buyer().await;
    let order = cancelled.order(&mug, 1, "tok_approve").await;
    cancelled.cancel(&order).await.expect(202);
    cancelled.sees(&order, "cancelled").await;
    shop.at_rest().await;

    let loud: Vec<_> = lines(&shop.logs())
        .into_iter()
        .filter(|line| line["level"] == "ERROR" || line["level"] == "WARN")
        .collect();
    assert_eq!(loud, [Value::Null; 0]);
    shop.close().await;
}

#[tokio::test]
async fn no_log_at_any_level_holds_a_secret() {
    let plan = ShopPlan::workers(1).with("ORDERMILL_LOG", "trace");
    let shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    let wrong = json!({"email": buyer.email, "password": "a wrong password"});
    let login = shop.http().try_send(Method::POST, "/v1/auth/login", None, &[], Some(&wrong)).await;
    login.expect("the API answers").refused(401, "unauthenticated");
    let (code, said) = shop.run("ordermill-worker", &["republish"], "");
    assert_eq!(code, 0);

    let logs = shop.logs() + &said;
    assert!(logs.contains(r#""level":"TRACE""#), "the most talkative level is on");
    let hash: String = sqlx::query_scalar("select password_hash from users where role = 'user'")
        .fetch_one(shop.db().pool())
        .await
        .expect("there is one buyer");
    let secrets = [
        ("a buyer's password", "a long password".to_owned()),
        ("a wrong password", "a wrong password".to_owned()),
        ("the admin's password", "correct horse battery".to_owned()),
        ("a password's hash", hash),
        ("a buyer's token", buyer.token().to_owned()),
        ("an admin's token", shop.admin().token().to_owned()),
        ("the key of the tokens", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0".to_owned()),
        ("the key of the tokens, decoded", "secretsecretsecret".to_owned()),
        ("the database's password", password("DATABASE_URL")),
        ("the broker's password", password("AMQP_URL")),
    ];
    for (what, secret) in secrets {
        let line = logs.lines().find(|line| holds(line, &secret));
        assert!(line.is_none(), "{what} is in the log: {line:?}");
    }
    shop.close().await;
}

/// A password that is a word of its own, such as `guest`, counts only where it stands as one.
fn holds(line: &str, secret: &str) -> bool {
    let common = secret.len() < 12;
    if common { line.contains(&format!(":{secret}@")) } else { line.contains(secret) }
}

fn password(variable: &str) -> String {
    let url = ordermill_tests::database::server(variable);
    let (user, _) = url.rsplit_once('@').unwrap_or_default();
    let password = user.rsplit_once(':').map_or("", |(_, password)| password);
    assert!(!password.is_empty(), "the tests' {variable} has a password");
    password.to_owned()
}

#[tokio::test]
async fn for_people_the_same_lines_are_written_without_json() {
    let plan = ShopPlan::workers(1).with("ORDERMILL_LOG_FORMAT", "pretty");
    let shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    shop.at_rest().await;

    settled_is_logged(&shop, &order).await;
    assert_eq!(lines(&shop.logs()), [Value::Null; 0]);
    shop.close().await;
}

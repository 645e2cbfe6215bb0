//! The edge: request ids, panics, time limits, clients that hang up.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use ordermill_api::edge::{Edge, edge};
use ordermill_api::serve::Server;
use serde_json::Value;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::stage::{NOWHERE, serve_args, until, with_shop};

#[tokio::test]
async fn a_request_id_is_taken_or_minted_and_always_returned() {
    with_shop(async |shop| {
        for given in ["abcdefgh", "A-b_9".repeat(20).as_str()] {
            let reply = shop.get("/v1/products").header("x-request-id", given).send().await;
            assert_eq!(reply.is(200).header("x-request-id"), given);
            let reply = shop.get("/v1/nowhere").header("x-request-id", given).send().await;
            assert_eq!(reply.body["request_id"], given);
        }
        let mut minted = std::collections::HashSet::new();
        for given in ["short", "with space", "quote\"12345", "x".repeat(129).as_str(), ""] {
            let reply = shop.get("/v1/products").header("x-request-id", given).send().await;
            let id = reply.header("x-request-id").to_owned();
            assert!(id.starts_with("req_") && minted.insert(id), "{given}");
        }
    })
    .await;
}

/// The edge around one route, without a database.
async fn around(
    route: axum::routing::MethodRouter,
    limit: Duration,
) -> (Router, Arc<ordermill_api::state::App>) {
    let url = format!("mysql://x:x@{NOWHERE}/x");
    let server = Server::bind(&serve_args(&url)).await.expect("free ports are free");
    let app = server.app().clone();
    app.open();
    let layer = from_fn_with_state(Edge::new(app.clone()).with_limit(limit), edge);
    (Router::new().route("/", route).layer(layer), app)
}

fn request() -> Request<Body> {
    Request::get("/").header("x-request-id", "request-1").body(Body::empty()).expect("a request")
}

async fn told(router: Router) -> (u16, Value) {
    let reply = router.oneshot(request()).await.expect("the edge always answers");
    let status = reply.status().as_u16();
    let body = to_bytes(reply.into_body(), 10_000).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("a problem"))
}

async fn panics() -> &'static str {
    panic!("a handler's secret")
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let (router, _) = around(get(panics), Duration::from_secs(5)).await;
    let (status, body) = told(router).await;
    assert_eq!(
        (status, &body["code"], &body["request_id"]),
        (500, &"internal".into(), &"request-1".into())
    );
    assert!(!body.to_string().contains("secret"), "{body}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_goes_on() {
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, done) = (go.clone(), gone.clone());
    let slow = get(async move || {
        wait.notified().await;
        done.notify_one();
        "late"
    });
    let (router, app) = around(slow, Duration::from_millis(50)).await;
    let (status, body) = told(router).await;
    assert_eq!((status, &body["code"]), (503, &"outcome_unknown".into()));
    assert_eq!(app.tasks.len(), 1, "it is still at work");
    go.notify_one();
    gone.notified().await;
    until("it has ended", async || app.tasks.is_empty()).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_waiting_and_not_the_work() {
    let (started, go, gone) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, wait, done) = (started.clone(), go.clone(), gone.clone());
    let slow = get(async move || {
        begun.notify_one();
        wait.notified().await;
        done.notify_one();
        "done"
    });
    let (router, _app) = around(slow, Duration::from_secs(20)).await;
    tokio::select! {
        _ = router.oneshot(request()) => panic!("it cannot be done yet"),
        () = started.notified() => {}
    }
    go.notify_one();
    gone.notified().await;
}

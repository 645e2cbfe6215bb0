//! Clients that are slow on purpose: each of them is let go, and nobody else is.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use ordermill_common::ops::{self, Patience};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stage::{NOWHERE, Shop, until, with_patient_server};

const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(300);
const PATIENT: Patience = Patience { head: LONG, body: LONG, idle: LONG };
const HALF_A_HEAD: &[u8] = b"GET /v1/products HTTP/1.1\r\nHost: x\r\nAccept:";
const HALF_A_BODY: &[u8] = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\n\
    Content-Type: application/json\r\nContent-Length: 60\r\n\r\n{\"email\":";

/// An API that has no need of its database for what is asked here.
async fn with_patience(patience: Patience, story: impl AsyncFnOnce(&Shop)) {
    with_patient_server(&format!("mysql://x:x@{NOWHERE}/x"), patience, async |shop| {
        shop.app.open();
        story(shop).await;
    })
    .await;
}

async fn connect(shop: &Shop) -> TcpStream {
    let address = shop.url.strip_prefix("http://").expect("a URL");
    TcpStream::connect(address).await.expect("it listens")
}

/// What comes until the connection is closed; an error (it was reset) ends it as well.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut told));
    let _ = reading.await.expect("the connection is closed");
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn half_a_head_is_not_waited_for_even_when_it_drips() {
    with_patience(Patience { head: SHORT, ..PATIENT }, async |shop| {
        let mut stalling = connect(shop).await;
        stalling.write_all(HALF_A_HEAD).await.expect("it reads");
        assert_eq!(until_closed(&mut stalling).await, "");

        let mut dripping = connect(shop).await;
        dripping.write_all(HALF_A_HEAD).await.expect("it reads");
        until("the one that drips is cut off", async || dripping.write_all(b"x").await.is_err())
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_carries_nothing_is_closed() {
    with_patience(Patience { idle: SHORT, ..PATIENT }, async |shop| {
        let mut silent = connect(shop).await;
        assert_eq!(until_closed(&mut silent).await, "");

        let mut used = connect(shop).await;
        used.write_all(b"GET /v1/nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        let told = until_closed(&mut used).await;
        assert!(told.starts_with("HTTP/1.1 404"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn half_a_body_is_answered_and_leaves_nothing_at_work() {
    with_patience(Patience { body: SHORT, ..PATIENT }, async |shop| {
        let mut stalling = connect(shop).await;
        stalling.write_all(HALF_A_BODY).await.expect("it reads");
        let told = until_closed(&mut stalling).await;
        assert!(told.starts_with("HTTP/1.1 408"), "{told}");
        assert!(told.contains(r#""code":"request_timeout""#), "{told}");
        until("nothing is at work", async || shop.app.tasks.is_empty()).await;

        let mut dripping = connect(shop).await;
        dripping.write_all(HALF_A_BODY).await.expect("it reads");
        until("the one that drips is cut off", async || dripping.write_all(b" ").await.is_err())
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_drain_waits_for_no_half_a_head() {
    with_patience(Patience { head: SHORT, ..PATIENT }, async |shop| {
        let mut stalling = connect(shop).await;
        stalling.write_all(HALF_A_HEAD).await.expect("it reads");
        // The stage drains, and expects that to end in time.
    })
    .await;
}

/// What takes long to be answered is not slow, and its client is kept.
#[tokio::test]
async fn an_answer_may_take_longer_than_a_client() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let slow = get(async move || {
        wait.notified().await;
        "at last"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let patience = Patience { head: SHORT, body: SHORT, idle: SHORT };
    let (draining, tasks) = (CancellationToken::new(), TaskTracker::new());
    let router = Router::new().route("/", slow);
    tasks.spawn(ops::serve(listener, router, patience, draining.clone()));

    let mut asking = TcpStream::connect(address).await.expect("it listens");
    asking.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    // Others use their patience up meanwhile, twice over.
    for _ in 0..2 {
        let mut silent = TcpStream::connect(address).await.expect("it listens");
        until_closed(&mut silent).await;
    }
    draining.cancel();
    go.notify_one();
    let told = until_closed(&mut asking).await;
    assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("at last"), "{told}");
    tasks.close();
    tasks.wait().await;
}

//! The client and the mock gateway's server, through real sockets; and gateways that answer as none should.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use ordermill_common::id::PaymentId;
use ordermill_common::payment::gateway::within;
use ordermill_common::payment::mock::ledger::{Account, read};
use ordermill_common::payment::mock::{DEFAULT_LEDGER, MockGateway};
use ordermill_common::payment::{Charge, Gateway as _, GatewayError, Verdict};
use ordermill_scratch::within as within_seconds;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::HttpGateway;
use super::http::gateway_url;
use super::mock::{Behaviour, serve};

/// Enough for a call to arrive and be written down.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(20);

struct Stand {
    folder: TempDir,
    serving: JoinSet<()>,
}

impl Stand {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), serving: JoinSet::new() }
    }

    /// One more gateway on the ledger; where it listens.
    async fn open(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let gateway = MockGateway::open_synced(&self.folder.path().join(DEFAULT_LEDGER), "here");
        self.serving.spawn(serve(listener, gateway.unwrap()));
        addr
    }

    fn account(&self, key: PaymentId) -> Account {
        let path = self.folder.path().join(DEFAULT_LEDGER);
        read(&path).unwrap().remove(&key).unwrap_or_default()
    }

    /// Waits until so many calls are written: a caller that gave up does not know that of its own.
    async fn until_called(&self, key: PaymentId, calls: u32) {
        within_seconds(20, "they are written", async || self.account(key).calls >= calls).await;
    }
}

fn client(addr: SocketAddr) -> HttpGateway {
    HttpGateway::new(&gateway_url(&format!("http://{addr}")).unwrap(), 4).unwrap()
}

fn charge(token: &str) -> Charge {
    Charge {
        key: PaymentId::mint(),
        amount: 1999,
        currency: "EUR".parse().unwrap(),
        method: token.parse().unwrap(),
        request: Some("req-12345678".parse().unwrap()),
    }
}

async fn ask(gateway: &HttpGateway, charge: &Charge) -> Result<Verdict, GatewayError> {
    within(LONG, gateway.charge(charge)).await
}

fn anybody() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(addr: SocketAddr, path: &str, body: serde_json::Value) -> (u16, String) {
    let asking = anybody().post(format!("http://{addr}{path}")).json(&body).send();
    let answer = asking.await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn behave(addr: SocketAddr, behaviour: Behaviour) {
    let (status, _) = post(addr, "/mock/behaviour", json!(behaviour)).await;
    assert_eq!(status, 200);
}

/// A gateway that answers each request with these bytes and hangs up.
async fn strange(serving: &mut JoinSet<()>, answer: &'static str) -> HttpGateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    client(addr)
}

#[tokio::test]
async fn each_token_does_through_http_what_it_says_and_its_verdict_is_repeated() {
    let mut stand = Stand::new();
    let gateway = client(stand.open().await);
    let captured = Ok(Verdict::Captured);
    let no_funds = Ok(Verdict::Declined("no_funds".to_owned()));
    let silence = Err(GatewayError::TimedOut);
    let away = Err(GatewayError::Unavailable("it answered 503 Service Unavailable".to_owned()));
    for (token, first, later) in [
        ("tok_approve", captured.clone(), captured.clone()),
        ("tok_decline_no_funds", no_funds.clone(), no_funds),
        ("tok_slow_5", captured.clone(), captured.clone()),
        ("tok_timeout", silence.clone(), silence.clone()),
        ("tok_timeout_after_charge", silence, captured.clone()),
        ("tok_fail_once", away, captured),
    ] {
        let charge = charge(token);
        for (calls, expected) in (1..).zip([&first, &later, &later]) {
            let is_silent = *expected == Err(GatewayError::TimedOut);
            let limit = if is_silent { SHORT } else { LONG };
            let answer = within(limit, gateway.charge(&charge)).await;
            assert_eq!(answer, *expected, "{token}");
            stand.until_called(charge.key, calls).await;
        }
        let account = stand.account(charge.key);
        assert_eq!(account.captured, u32::from(later == Ok(Verdict::Captured)), "{token}");
        assert_eq!((account.calls, account.amount % 1999), (3, 0), "{token}");
        assert_eq!(gateway.void(charge.key).await, Ok(()), "{token}");
        assert_eq!(gateway.void(charge.key).await, Ok(()), "{token}");
        let voided = Ok(Verdict::Declined("voided".to_owned()));
        assert_eq!(ask(&gateway, &charge).await, voided, "{token}");
        assert!(!stand.account(charge.key).holds_money(), "{token}");
    }
}

#[tokio::test]
async fn a_gateway_that_begins_anew_on_its_ledger_knows_every_key() {
    let mut stand = Stand::new();
    let before = client(stand.open().await);
    let charges = ["tok_approve", "tok_decline_no", "tok_fail_once"].map(charge);
    let _ = join_all(charges.iter().map(|charge| ask(&before, charge))).await;
    before.void(charges[0].key).await.unwrap();
    stand.serving.shutdown().await;
    let after = client(stand.open().await);
    let declined = |why: &str| Ok(Verdict::Declined(why.to_owned()));
    assert_eq!(ask(&after, &charges[0]).await, declined("voided"));
    assert_eq!(ask(&after, &charges[1]).await, declined("no"));
    assert_eq!(ask(&after, &charges[2]).await, Ok(Verdict::Captured));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_was_decided_all_the_same() {
    let mut stand = Stand::new();
    let addr = stand.open().await;
    let (gateway, charge) = (client(addr), charge("tok_approve"));
    behave(addr, Behaviour { delay_ms: 60_000, ..Behaviour::default() }).await;
    let early = within(SHORT, gateway.charge(&charge)).await;
    assert_eq!(early, Err(GatewayError::TimedOut));
    stand.until_called(charge.key, 1).await;
    behave(addr, Behaviour::default()).await;
    assert_eq!(ask(&gateway, &charge).await, Ok(Verdict::Captured));
    let account = stand.account(charge.key);
    assert_eq!((account.calls, account.captured), (2, 1));
}

#[tokio::test]
async fn a_gateway_that_is_told_to_be_unavailable_looks_at_nothing() {
    let mut stand = Stand::new();
    let addr = stand.open().await;
    let (gateway, charge) = (client(addr), charge("tok_approve"));
    behave(addr, Behaviour { unavailable: true, ..Behaviour::default() }).await;
    assert!(matches!(ask(&gateway, &charge).await, Err(GatewayError::Unavailable(_))));
    assert!(matches!(gateway.void(charge.key).await, Err(GatewayError::Unavailable(_))));
    assert_eq!(stand.account(charge.key), Account::default());
    behave(addr, Behaviour::default()).await;
    assert_eq!(ask(&gateway, &charge).await, Ok(Verdict::Captured));
}

#[tokio::test]
async fn the_wire_is_what_is_written_down_and_what_cannot_be_meant_is_refused() {
    let mut stand = Stand::new();
    let addr = stand.open().await;
    let key = PaymentId::mint().to_string();
    let body =
        json!({"key": key, "amount": 5, "currency": "EUR", "method": "tok_decline_card_expired"});
    let declined = r#"{"verdict":"declined","reason":"card_expired"}"#.to_owned();
    assert_eq!(post(addr, "/v1/charges", body).await, (200, declined));
    let captured = r#"{"verdict":"captured"}"#.to_owned();
    let key = PaymentId::mint().to_string();
    let body = json!({"key": key, "amount": 5, "currency": "EUR", "method": "tok_approve",
                      "request_id": "req-12345678"});
    assert_eq!(post(addr, "/v1/charges", body).await, (200, captured));
    let voided = r#"{"verdict":"voided"}"#.to_owned();
    assert_eq!(post(addr, "/v1/voids", json!({"key": key})).await, (200, voided));
    for (path, body) in [
        ("/v1/charges", json!({"key": key, "amount": 5, "currency": "EUR", "method": "cash"})),
        ("/v1/voids", json!({"key": "pay_1"})),
        ("/mock/behaviour", json!({"dealy_ms": 5})),
    ] {
        assert_eq!(post(addr, path, body.clone()).await.0, 422, "{body}");
    }
    let lives = anybody().get(format!("http://{addr}/livez")).send().await.unwrap();
    assert_eq!(lives.status(), 200);
}

#[tokio::test]
async fn whatever_is_no_verdict_leaves_the_question_open() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        client(listener.local_addr().unwrap())
    };
    let mut serving = JoinSet::new();
    let mut gateways = vec![closed];
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"verdict\":",
        "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"verdic",
        "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"verdict\":\"perhaps\"}",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 22\r\n\r\n{\"verdict\":\"captured\"}",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 22\r\n\r\n{\"verdict\":\"captured\"}",
        "220 mail.example ESMTP\r\n",
    ] {
        gateways.push(strange(&mut serving, answer).await);
    }
    let voided = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"verdict\":\"voided\"}";
    let misunderstood = strange(&mut serving, voided).await;
    assert_eq!(misunderstood.void(PaymentId::mint()).await, Ok(()), "the strangers are understood");
    gateways.push(misunderstood);
    for (number, gateway) in gateways.iter().enumerate() {
        let answer = ask(gateway, &charge("tok_approve")).await;
        assert!(matches!(answer, Err(GatewayError::Unavailable(_))), "{number}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_ask_for_the_same_keys_at_once_capture_each_once() {
    let mut stand = Stand::new();
    let addr = stand.open().await;
    let workers = [client(addr), client(addr)];
    let charges: Vec<_> = (0..200).map(|_| charge("tok_approve")).collect();
    let all = workers.iter().flat_map(|worker| charges.iter().map(move |it| ask(worker, it)));
    let answers = join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Verdict::Captured)), "{answers:?}");
    let accounts = read(&stand.folder.path().join(DEFAULT_LEDGER)).unwrap();
    assert_eq!(accounts.len(), charges.len());
    assert!(accounts.values().all(|account| account.calls == 2 && account.captured == 1));
}

//! `verify` is itself tested: it finds nothing in a consistent shop, and names exactly what was corrupted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ordermill_common::db::{Db, migrate};
use ordermill_common::id::PaymentId;
use ordermill_common::payment::gateway::within;
use ordermill_common::payment::mock::MockGateway;
use ordermill_common::payment::{Charge, Gateway as _};
use ordermill_scratch::Database;
use ordermill_worker::verify::{self, Args, Report, VerifyError};

use corruptions::CORRUPTIONS;
use shop::{Paid, STORIES, fill, run};

mod corruptions;
mod shop;

const LIMIT: Duration = Duration::from_mins(1);

async fn with_database<F: Future<Output = ()>>(story: impl FnOnce(Db) -> F) {
    let database = Database::create().await;
    let db = Db::new(&database.url(), 4).unwrap();
    migrate(&db).await.unwrap();
    story(db.clone()).await;
    db.close().await;
    database.remove().await;
}

async fn report(db: &Db, ledger: Option<&Path>) -> Report {
    verify::verify(db, LIMIT, ledger).await.expect("the database can be read")
}

fn broken(report: &Report) -> BTreeSet<&'static str> {
    report.broken().map(|finding| finding.name).collect()
}

/// The corruption with the ids of the orders that it names.
fn with_ids(sql: &str) -> String {
    STORIES.iter().fold(sql.to_owned(), |sql, story| {
        let id = format!("(select k.order_id from (select order_id, idempotency_key from checkouts) k where k.idempotency_key = 'h:{}')", story.name);
        sql.replace(&format!("{{{}}}", story.name), &id)
    })
}

#[tokio::test]
async fn a_consistent_shop_has_nothing_to_find_and_each_corruption_is_named() {
    with_database(|db| async move {
        let mut conn = db.connect().await.unwrap();
        fill(&mut conn).await;
        let clean = report(&db, None).await;
        assert!(clean.is_clean(), "{clean}");
        let known: BTreeSet<_> = clean.findings().iter().map(|finding| finding.name).collect();
        let (mut named, mut wrong) = (BTreeSet::new(), Vec::new());
        for (invariants, sql) in CORRUPTIONS {
            fill(&mut conn).await;
            for statement in sql.split("; ") {
                run(&mut conn, &with_ids(statement)).await;
            }
            let found = report(&db, None).await;
            let expected: BTreeSet<_> = invariants.split(", ").collect();
            if broken(&found) != expected {
                wrong.push(format!("after {sql} not {invariants} but {:?}", broken(&found)));
            }
            assert!(found.broken().all(|finding| !finding.shown.is_empty()));
            named.extend(expected);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(named, known, "every invariant has a corruption");
    })
    .await;
}

#[tokio::test]
async fn a_longer_limit_is_patient() {
    with_database(|db| async move {
        let mut conn = db.connect().await.unwrap();
        fill(&mut conn).await;
        run(&mut conn, "update outbox set created_at = now(6) - interval 90 second").await;
        assert!(!report(&db, None).await.is_clean());
        let patient = verify::verify(&db, Duration::from_mins(2), None).await.unwrap();
        assert!(patient.is_clean(), "{patient}");
    })
    .await;
}

fn charge(paid: &Paid) -> Charge {
    Charge {
        key: paid.payment,
        amount: paid.amount,
        currency: "EUR".parse().unwrap(),
        method: paid.story.method.parse().unwrap(),
        request: None,
    }
}

/// What the gateway's ledger says of the shop's payments when all went well.
async fn call_gateway(path: &Path, payments: &[Paid]) -> MockGateway {
    let gateway = MockGateway::open(path, "worker").unwrap();
    for paid in payments {
        if paid.story.payment != Some("pending") {
            let _ = within(LIMIT, gateway.charge(&charge(paid))).await.unwrap();
        }
        if paid.story.payment == Some("voided") {
            gateway.void(paid.payment).await.unwrap();
        }
    }
    gateway
}

#[tokio::test]
async fn the_gateways_ledger_is_compared_with_the_payments() {
    with_database(|db| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payments.jsonl");
        let payments = fill(&mut db.connect().await.unwrap()).await;
        let of = |name: &str| payments.iter().find(|paid| paid.story.name == name).unwrap();
        let _ = call_gateway(&path, &payments).await;
        let clean = report(&db, Some(&path)).await;
        assert!(clean.is_clean(), "{clean}");
        let mut named = BTreeSet::new();

        let gateway = call_gateway(&path, &payments).await;
        gateway.void(of("delivered").payment).await.unwrap();
        let found = report(&db, Some(&path)).await;
        assert_eq!(broken(&found), BTreeSet::from(["ledger_agrees"]), "{found}");
        assert!(found.to_string().contains(&of("delivered").payment.to_string()), "{found}");
        named.extend(broken(&found));

        std::fs::remove_file(&path).unwrap();
        let gateway = call_gateway(&path, &payments).await;
        gateway.void(PaymentId::mint()).await.unwrap();
        let found = report(&db, Some(&path)).await;
        assert_eq!(broken(&found), BTreeSet::from(["ledger_knows_payments"]), "{found}");
        named.extend(broken(&found));

        std::fs::remove_file(&path).unwrap();
        let _ = call_gateway(&path, &payments).await;
        let text = std::fs::read_to_string(&path).unwrap();
        let captured = of("paid").payment.to_string();
        let line = text.lines().find(|line| line.contains(&captured)).unwrap();
        std::fs::write(&path, format!("{text}{line}\n")).unwrap();
        let found = report(&db, Some(&path)).await;
        assert!(broken(&found).contains("ledger_captures_once"), "{found}");
        named.extend(broken(&found));

        let known = clean.findings().iter().map(|finding| finding.name);
        assert_eq!(named, known.filter(|name| name.starts_with("ledger_")).collect());
    })
    .await;
}

#[tokio::test]
async fn the_exit_code_tells_nothing_found_found_and_unreadable_apart() {
    with_database(|db| async move {
        let args = Args { limit: 60, ledger: None };
        let mut conn = db.connect().await.unwrap();
        fill(&mut conn).await;
        assert_eq!(verify::command(&db, &args).await, 0);
        run(&mut conn, "update stock set available = available + 1").await;
        assert_eq!(verify::command(&db, &args).await, 1);
        let missing = Args { ledger: Some("no/such/ledger".into()), ..args.clone() };
        assert_eq!(verify::command(&db, &missing).await, 2);
        run(&mut conn, "delete from payment_attempts; delete from payments").await;
        assert_eq!(verify::command(&db, &missing).await, 1, "nobody has called the gateway yet");
        run(&mut conn, "drop table outbox").await;
        assert_eq!(verify::command(&db, &args).await, 2);
        let error = verify::verify(&db, LIMIT, None).await.unwrap_err();
        assert!(matches!(error, VerifyError::Invariant { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn what_is_written_while_it_reads_is_not_seen_half() {
    with_database(|db| async move {
        fill(&mut db.connect().await.unwrap()).await;
        let writing = async {
            let mut conn = db.connect().await.unwrap();
            for _ in 0..40 {
                run(&mut conn, "begin").await;
                run(&mut conn, "update stock set available = available + 1").await;
                run(&mut conn, "update stock_ledger set delta = delta + 1").await;
                run(&mut conn, "commit").await;
            }
        };
        let reading = async {
            for _ in 0..3 {
                let found = report(&db, None).await;
                assert!(found.is_clean(), "{found}");
            }
        };
        tokio::join!(writing, reading);
    })
    .await;
}

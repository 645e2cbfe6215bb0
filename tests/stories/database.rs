//! The database server fails, or would: killed under traffic it costs nothing that was promised, one that
//! would lose orders is refused from the start, and none is made to break a deadlock.

use futures::future::join_all;
use ordermill_common::broker::{ChannelPool, Envelope, Kind};
use ordermill_common::id::MessageId;
use ordermill_common::trace::RequestId;
use ordermill_tests::actors::text;
use ordermill_tests::database::{Database, door_to, fresh_name, migrated_on};
use ordermill_tests::shop::settings;
use ordermill_tests::staff::Staff;
use ordermill_tests::{Answer, Buyer, OwnDatabase, Shop, ShopPlan, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faults::{PAID, count_reaches, nowhere, random};

const BUYERS: usize = 10;
const ORDERS_EACH: usize = 8;

/// What may be asked again.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<Value>,
}

/// Asks until there is an answer other than "not now".
async fn insist(buyer: &Buyer, ask: Ask<'_>, code: u16) -> Value {
    let Ask { method, path, headers, body } = &ask;
    until(path, || async {
        let answer = buyer.try_send(method.clone(), path, headers, body.as_ref()).await.ok()?;
        (answer.code != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await
    .expect(code)
}

async fn order(buyer: &Buyer, product: &str, key: &str) -> String {
    let path = format!("/v1/cart/lines/{product}");
    let body = Some(json!({"quantity": 1}));
    insist(buyer, Ask { method: Method::PUT, path: &path, headers: &[], body }, 200).await;
    let (path, headers) = ("/v1/checkout", &[("idempotency-key", key)]);
    let body = Some(json!({"payment_method": "tok_slow_40"}));
    text(&insist(buyer, Ask { method: Method::POST, path, headers, body }, 202).await["id"])
}

/// The order, once the API can say it.
pub(crate) async fn see(buyer: &Buyer, order: &str) -> Value {
    let path = format!("/v1/orders/{order}");
    insist(buyer, Ask { method: Method::GET, path: &path, headers: &[], body: None }, 200).await
}

async fn look(shop: &Shop) -> Option<Answer> {
    shop.http().try_send(Method::GET, "/v1/products?limit=1", None, &[], None).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_killed_under_traffic_costs_no_order_and_doubles_none() {
    let mut server = OwnDatabase::start(&[]);
    let plan = ShopPlan { database_server: Some(server.url()), ..ShopPlan::workers(2) };
    let shop = Shop::open_as(plan).await;
    let mug = shop.admin().sells("MUG", 100).await;
    let buyers = shop.buyers(BUYERS).await;

    let ordering = join_all(buyers.iter().map(|buyer| {
        let mug = &mug;
        async move {
            let mut orders = Vec::new();
            for number in 0..ORDERS_EACH {
                orders.push(order(buyer, mug, &format!("order-{number}")).await);
            }
            orders
        }
    }));
    let killing = async {
        let accepted = "select cast(count(*) as signed) from checkouts";
        for least in [10, 30, 50] {
            count_reaches(&shop, accepted, "some are accepted", least + random(10)).await;
            server.kill();
            until("the API says that it cannot", || async {
                let answer = look(&shop).await?;
                (answer.code == StatusCode::SERVICE_UNAVAILABLE).then_some(())
            })
            .await;
            server.restart();
        }
    };
    let (orders, ()) = tokio::join!(ordering, killing);
    shop.at_rest().await;

    let mut all: Vec<&String> = orders.iter().flatten().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), BUYERS * ORDERS_EACH, "each key is an order of its own");
    for (buyer, orders) in buyers.iter().zip(&orders) {
        for order in orders {
            assert_eq!(see(buyer, order).await["status"], "paid");
        }
    }
    assert_eq!(shop.count(PAID).await, 80);
    assert_eq!(shop.captures(), 80);
    assert_eq!(shop.count("select available from stock").await, 20);
    shop.close().await;
}

/// Deadlocks that the server has ended since it started.
const DEADLOCKS: &str = "select cast(`count` as signed) from information_schema.innodb_metrics \
    where name = 'lock_deadlocks'";

/// Orders in every way that an order can end, and sends each one's message again while it is at work.
async fn order_and_interfere(shop: &Shop, buyer: &Buyer, shelves: &[String; 2]) {
    let channels = ChannelPool::new(&shop.broker(), 1);
    for token in ["tok_approve", "tok_decline_no", "tok_slow_20", "tok_fail_once", "tok_decline_no"]
    {
        for product in shelves {
            buyer.add(product, 1).await.expect(200);
        }
        let order = text(&buyer.checkout(token).await.expect(202)["id"]);
        let id = order.parse().expect("an order's id");
        for _ in 0..3 {
            let (message, request) = (MessageId::mint(), RequestId::mint());
            let again = Envelope::new(message, Kind::OrderCheckoutV1, id, request);
            channels.publish(&again).await.expect("the broker takes it");
        }
        if token == "tok_slow_20" {
            buyer.cancel(&order).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_ours_wait_for_each_other_and_never_in_a_circle() {
    let server = OwnDatabase::start(&[]);
    let plan = ShopPlan { database_server: Some(server.url()), ..ShopPlan::workers(3) };
    let shop = Shop::open_as(plan).await;
    let shelves = [shop.admin().sells("MUG", 500).await, shop.admin().sells("CUP", 500).await];
    let buyers = shop.buyers(20).await;

    join_all(buyers.iter().map(|buyer| order_and_interfere(&shop, buyer, &shelves))).await;
    shop.at_rest().await;

    let waits = "select cast(`count` as signed) from information_schema.innodb_metrics \
        where name = 'lock_row_lock_waits'";
    assert!(shop.count(waits).await > 0, "nobody met anybody");
    assert_eq!(shop.count(DEADLOCKS).await, 0);
    shop.close().await;
}

/// What makes a server unsafe, what the refusal says of it, and how it is mended.
const WRONG: [(&str, &str, &str); 5] = [
    (
        "set global innodb_flush_log_at_trx_commit = 2",
        "innodb_flush_log_at_trx_commit must be 1",
        "set global innodb_flush_log_at_trx_commit = 1",
    ),
    (
        "set global sync_binlog = 0",
        "sync_binlog must be 1 while the binary log is on",
        "set global sync_binlog = 1",
    ),
    (
        "set global binlog_format = 'STATEMENT'",
        "binlog_format must not be STATEMENT",
        "set global binlog_format = 'ROW'",
    ),
    (
        "set global max_allowed_packet = 8388608",
        "max_allowed_packet must be at least 16 MiB",
        "set global max_allowed_packet = 67108864",
    ),
    (
        "set global check_constraint_checks = 0",
        "CHECK constraints are not enforced",
        "set global check_constraint_checks = 1",
    ),
];

/// A folder, a database and the settings of both programs in it.
struct Site {
    database: Database,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

impl Site {
    async fn on(server: &OwnDatabase) -> Self {
        let folder = TempDir::with_prefix("ordermill-test-").expect("a folder");
        let database = migrated_on(server.url(), &fresh_name()).await;
        let settings = settings(&database, &nowhere(), "omtest_unsafe", folder.path());
        Self { database, settings, folder }
    }

    async fn change(&self, statement: &'static str) {
        let mut conn = door_to(&self.database).connect().await.expect("the server answers");
        sqlx::raw_sql(statement).execute(&mut conn).await.expect("the statement is right");
    }

    fn start(&self, program: &str, name: &str, allowed: bool) -> Staff {
        let mut settings = self.settings.clone();
        if allowed {
            settings.push(("ORDERMILL_ALLOW_UNSAFE_DATABASE".to_owned(), "true".to_owned()));
        }
        Staff::start(program, &[], self.folder.path(), name, &settings)
    }

    /// Starts both programs, waits until they work, and answers what each has logged.
    async fn both_work(&self, name: &str, allowed: bool) -> Vec<String> {
        let mut logs = Vec::new();
        for (program, works) in [("ordermill-api", "open"), ("ordermill-worker", "working")] {
            let running = self.start(program, &format!("{program}-{name}"), allowed);
            until("it works", || async {
                running.log().contains(&format!("\"message\":\"{works}\"")).then_some(())
            })
            .await;
            logs.push(running.log());
            running.kill();
        }
        logs
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_program_starts_on_a_database_that_would_lose_orders_unless_allowed() {
    let server =
        OwnDatabase::start(&["--log-bin=binlog", "--sync-binlog=1", "--binlog-format=ROW"]);
    let site = Site::on(&server).await;
    let version: String = sqlx::query_scalar("select cast(@@version as char)")
        .fetch_one(door_to(&site.database).pool())
        .await
        .expect("the server answers");
    let known = if version.contains("MariaDB") { &WRONG[..] } else { &WRONG[..4] };

    for log in site.both_work("safe", false).await {
        assert!(!log.contains("unsafe database"), "{log}");
    }
    for (place, &(spoil, sentence, mend)) in known.iter().enumerate() {
        site.change(spoil).await;
        for program in ["ordermill-api", "ordermill-worker"] {
            let mut refusing = site.start(program, &format!("{program}-{place}"), false);
            assert_eq!(refusing.ended().await.code(), Some(1), "{}", refusing.log());
            let log = refusing.log();
            assert!(log.contains(sentence), "{program} after {spoil}: {log}");
            let others = known.iter().filter(|other| other.1 != sentence);
            assert!(others.map(|other| other.1).all(|other| !log.contains(other)), "{log}");
        }
        site.change(mend).await;
    }
    for &(spoil, ..) in known {
        site.change(spoil).await;
    }
    for log in site.both_work("allowed", true).await {
        for (_, sentence, _) in known {
            assert!(log.contains(sentence), "each says what is wrong: {log}");
        }
    }
    site.database.remove().await;
}

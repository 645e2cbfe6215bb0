//! What a worker says of itself to whoever runs it.

use std::time::Duration;

use ordermill_common::broker::{Broker, delete_topology};
use ordermill_common::db::Db;
use ordermill_tests::database::{Database, door_to, fresh_name, migrated, server};
use ordermill_tests::shop::settings;
use ordermill_tests::staff::{Staff, address};
use ordermill_tests::until;
use tempfile::TempDir;

use crate::faults::nowhere;

const WORKER: &str = "ordermill-worker";

/// A worker that was told where to answer.
struct Asked {
    worker: Staff,
    address: String,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Asked {
    async fn start(database: &Database, amqp_url: &str, name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut settings = settings(database, amqp_url, name, folder.path());
        let file = folder.path().join("health.port");
        settings.push(("ORDERMILL_ADMIN_PORT_FILE".to_owned(), file.display().to_string()));
        let worker = Staff::start(WORKER, &[], folder.path(), "worker", &settings);
        let address = address(&file).await;
        Self { worker, address, folder, settings }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await;
        let answer = answer.expect("it answers");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    fn healthcheck(&self) -> (i32, String) {
        Staff::run_once(WORKER, &["healthcheck"], self.folder.path(), &self.settings, "")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_a_broker_lives_is_not_ready_and_says_why() {
    let name = fresh_name();
    let database = migrated(&name).await;
    let asked = Asked::start(&database, &nowhere(), &name).await;

    assert_eq!(asked.get("/livez").await, (200, "ok\n".to_owned()));
    until("it says that it has the database and no broker", || async {
        let (status, body) = asked.get("/readyz?verbose").await;
        let database = body.contains(r#"{"name":"database","standing":"ok"}"#);
        let broker = body.contains(r#"{"name":"orders.checkout","standing":"failed""#);
        (status == 503 && database && broker).then_some(())
    })
    .await;
    let (code, said) = asked.healthcheck();
    assert!(code != 0 && said.contains("not ready"), "{said}");
    assert_eq!(asked.worker.stop().await, 0);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_both_servers_is_ready_until_it_is_told_to_stop() {
    let name = fresh_name();
    let database = migrated(&name).await;
    let asked = Asked::start(&database, &server("AMQP_URL"), &name).await;

    until("it is ready", || async { (asked.get("/readyz").await.0 == 200).then_some(()) }).await;
    let (code, said) = asked.healthcheck();
    assert!(code == 0 && said.contains("\"ready\":true"), "{said}");
    let Asked { worker, folder, settings, .. } = asked;
    assert_eq!(worker.stop().await, 0);
    let (code, said) = Staff::run_once(WORKER, &["healthcheck"], folder.path(), &settings, "");
    assert!(code != 0 && said.contains("nobody answers"), "{said}");
    let prefix = format!("{name}.");
    let broker = Broker::new(&server("AMQP_URL"), &prefix).expect("the URL is right");
    delete_topology(&broker).await.expect("the queues are ours");
    database.remove().await;
}

/// MariaDB tells it in the first place. MySQL tells nothing there while a session sends bytes that are no text.
const WAITING: [&str; 2] = [
    "select count(*) from information_schema.processlist \
     where db = ? and state like 'Waiting for table%lock'",
    "select count(*) from performance_schema.threads \
     where processlist_db = ? and processlist_state like 'Waiting for table%lock'",
];

/// Whether a session of this database waits for a table that another has locked.
async fn somebody_waits(db: &Db, database: &Database) -> Option<()> {
    for waiting in WAITING {
        let waiting = sqlx::query_scalar::<_, i64>(waiting).bind(database.name());
        if waiting.fetch_one(db.pool()).await.is_ok_and(|waiting| waiting > 0) {
            return Some(());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_for_its_database_ends_when_it_is_told_to() {
    for statement in ["lock tables _sqlx_migrations write", "lock tables owners write"] {
        for program in ["ordermill-api", WORKER] {
            let name = fresh_name();
            let database = migrated(&name).await;
            let db = door_to(&database);
            // While it has locked a table, it may look at no other.
            let mut other = db.connect().await.expect("the server answers");
            sqlx::raw_sql(statement).execute(&mut other).await.expect("nobody uses it");
            let folder = TempDir::new().expect("a folder");
            let settings = settings(&database, &nowhere(), &name, folder.path());
            let mut waiting = Staff::start(program, &[], folder.path(), program, &settings);
            until("it waits", async || somebody_waits(&db, &database).await).await;

            waiting.signal("TERM");
            let ended = tokio::time::timeout(Duration::from_secs(15), waiting.ended()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{program} goes on: {}", waiting.log()));
            assert_eq!(ended.code(), Some(0), "{}", waiting.log());
            drop(other);
            db.close().await;
            database.remove().await;
        }
    }
}

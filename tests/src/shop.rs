//! A shop: database, queues, API, workers, and the books of the payment gateway.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use futures::future::join_all;
use ordermill_common::broker::{Broker, delete_topology};
use ordermill_common::db::Db;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::actors::{Admin, Buyer, Http};
use crate::database::{Database, door_to, fresh_name, migrated_on, server};
use crate::gateway;
use crate::staff::{Staff, address};
use ordermill_scratch::until;

/// How a shop is set up.
#[derive(Debug, Clone)]
pub struct ShopPlan {
    /// Workers to start with.
    pub workers: usize,
    /// Settings beyond the tests' usual ones, for every process.
    pub settings: Vec<(&'static str, String)>,
    /// Another address of the broker, as of one that is not there.
    pub amqp_url: Option<String>,
    /// Another database server, as one that the story kills.
    pub database_server: Option<String>,
}

impl Default for ShopPlan {
    fn default() -> Self {
        Self { workers: 1, settings: Vec::new(), amqp_url: None, database_server: None }
    }
}

impl ShopPlan {
    /// With this many workers.
    pub fn workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }

    /// With this setting for every process.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }
}

/// A shop that is open.
#[derive(Debug)]
pub struct Shop {
    name: String,
    folder: TempDir,
    database: Database,
    amqp_url: String,
    settings: Vec<(String, String)>,
    api: Option<Staff>,
    workers: Vec<Option<Staff>>,
    started: usize,
    http: Http,
    admin: Admin,
}

impl Shop {
    /// Opens a shop with one worker.
    pub async fn open() -> Self {
        Self::open_as(ShopPlan::default()).await
    }

    /// Opens a shop as planned: it answers, and an admin is logged in.
    pub async fn open_as(plan: ShopPlan) -> Self {
        let name = fresh_name();
        let folder =
            tempfile::Builder::new().prefix("ordermill-test-").tempdir().expect("a folder");
        let database_server = plan.database_server.unwrap_or_else(|| server("DATABASE_URL"));
        let database = migrated_on(database_server, &name).await;
        let amqp_url = plan.amqp_url.unwrap_or_else(|| server("AMQP_URL"));
        let mut settings = settings(&database, &amqp_url, &name, folder.path());
        settings.extend(plan.settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut shop = Self {
            name,
            folder,
            database,
            amqp_url,
            settings,
            api: None,
            workers: Vec::new(),
            started: 0,
            http: Http::default(),
            admin: Admin::default(),
        };
        shop.start_api().await;
        shop.admin = shop.hire_admin().await;
        for _ in 0..plan.workers {
            shop.start_worker();
        }
        shop
    }

    /// Starts the API, on a port of its own.
    pub async fn start_api(&mut self) {
        self.started += 1;
        let file = self.folder.path().join(format!("api-{}.port", self.started));
        let mut settings = self.settings.clone();
        settings.push(("ORDERMILL_PORT_FILE".to_owned(), file.display().to_string()));
        self.api = Some(Staff::start("ordermill-api", &[], self.folder.path(), "api", &settings));
        self.http.move_to(&address(&file).await);
        until("the API answers", || async { self.http.is_there().await.then_some(()) }).await;
    }

    /// Starts one more worker; answers its number.
    pub fn start_worker(&mut self) -> usize {
        self.start_worker_with(&[])
    }

    /// As [`Shop::start_worker`], with settings of its own.
    pub fn start_worker_with(&mut self, own: &[(&str, &str)]) -> usize {
        let number = self.workers.len();
        let name = format!("worker-{number}");
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = self.settings.iter().cloned().chain(own).collect();
        let folder = self.folder.path();
        let worker = Staff::start("ordermill-worker", &[], folder, &name, &settings);
        self.workers.push(Some(worker));
        number
    }

    /// The API's process, taken out of the shop: to be killed or stopped.
    pub fn take_api(&mut self) -> Staff {
        self.api.take().expect("the API runs")
    }

    /// A worker's process, taken out of the shop: to be killed or stopped.
    pub fn take_worker(&mut self, number: usize) -> Staff {
        self.workers[number].take().expect("the worker runs")
    }

    /// A worker that runs.
    pub fn worker(&self, number: usize) -> &Staff {
        self.workers[number].as_ref().expect("the worker runs")
    }

    async fn hire_admin(&self) -> Admin {
        let (email, password) = ("admin@shop.example", "correct horse battery");
        let args = ["create-admin", "--email", email, "--password-stdin"];
        let (code, said) = self.run("ordermill-api", &args, password);
        assert_eq!(code, 0, "{said}");
        Admin::login(self.http.clone(), email, password).await
    }

    /// Runs a subcommand to its end, with the shop's settings.
    pub fn run(&self, program: &str, args: &[&str], stdin: &str) -> (i32, String) {
        Staff::run_once(program, args, self.folder.path(), &self.settings, stdin)
    }

    /// Processes that start from now on find the broker, which was away when the shop opened.
    pub fn find_broker(&mut self) {
        self.amqp_url = server("AMQP_URL");
        let found = self.amqp_url.clone();
        self.set("AMQP_URL", &found);
    }

    /// Processes that start from now on have this setting.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Time passes for what lies in the outbox: rows that their process did not publish belong to
    /// whoever claims them.
    pub async fn outbox_leases_end(&self) {
        self.change("update outbox set lease_until = now(6)").await;
    }

    /// Runs a statement that no process of the shop would.
    pub async fn change(&self, statement: &'static str) {
        let mut conn = self.db().connect().await.expect("the database answers");
        sqlx::query(statement).execute(&mut conn).await.expect("the statement is right");
    }

    /// The admin.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// A new buyer with an account of their own.
    pub async fn buyer(&self) -> Buyer {
        Buyer::register(self.http.clone()).await
    }

    /// Many new buyers.
    pub async fn buyers(&self, number: usize) -> Vec<Buyer> {
        join_all((0..number).map(|_| self.buyer())).await
    }

    /// The way in, for requests that no actor makes.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// A door to the shop's database.
    pub fn db(&self) -> Db {
        door_to(&self.database)
    }

    /// A door to the shop's queues.
    pub fn broker(&self) -> Broker {
        Broker::new(&self.amqp_url, &format!("{}.", self.name)).expect("the URL was used before")
    }

    /// The file of the gateway's book.
    pub fn ledger_file(&self) -> PathBuf {
        let mut settings = self.settings.iter().rev();
        let ledger = settings.find(|(name, _)| name == "ORDERMILL_PAYMENT_LEDGER");
        PathBuf::from(&ledger.expect("every shop has one").1)
    }

    /// The gateway's book, one call an entry.
    pub fn ledger(&self) -> Vec<Value> {
        gateway::lines(&self.ledger_file())
    }

    /// How many payments the gateway has captured, each of them once.
    pub fn captures(&self) -> usize {
        self.payments("captured").len()
    }

    /// How many payments the gateway has voided, each of them once.
    pub fn voids(&self) -> usize {
        self.payments("voided").len()
    }

    /// How many payments the gateway has captured and not voided.
    pub fn kept(&self) -> usize {
        self.payments("captured").difference(&self.payments("voided")).count()
    }

    /// The keys that the gateway has decided so; what it repeated is left out.
    fn payments(&self, outcome: &str) -> HashSet<String> {
        let decided: Vec<String> = self
            .ledger()
            .iter()
            .filter(|call| call["outcome"] == outcome && call["replayed"] != true)
            .map(|call| call["key"].to_string())
            .collect();
        let keys: HashSet<String> = decided.iter().cloned().collect();
        assert_eq!(keys.len(), decided.len(), "a payment was {outcome} twice");
        keys
    }

    /// The value of the first column of the first row.
    pub async fn count(&self, query: &'static str) -> i64 {
        let mut conn = self.db().connect().await.expect("the database answers");
        sqlx::query_scalar(query).fetch_one(&mut conn).await.expect("the query is right")
    }

    /// Every line that any process has logged.
    pub fn logs(&self) -> String {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.path())
            .expect("the folder is ours")
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect()
    }

    /// What `ordermill-worker verify` says.
    pub fn verify(&self) -> (i32, String) {
        self.run("ordermill-worker", &["verify"], "")
    }

    /// Waits until nothing is under way: no outbox row, nothing unfinished.
    pub async fn at_rest(&self) {
        let open = "select cast( \
             (select count(*) from checkouts where consumed_at is null) \
           + (select count(*) from payments where status in ('pending', 'void_due')) \
           + (select count(*) from cancellations where outcome is null) \
           + (select count(*) from outbox) as signed)";
        let db = self.db();
        until("everything ends", || async {
            let left: i64 = sqlx::query_scalar(open).fetch_one(db.pool()).await.ok()?;
            (left == 0).then_some(())
        })
        .await;
    }

    /// Closes the shop: everything has ended, `verify` finds nothing, no dead letter is left, and no
    /// process has logged an error. Then the shop is gone.
    pub async fn close(self) {
        self.close_after(&[]).await;
    }

    /// As [`Shop::close`], where these words in an error line are part of the story.
    pub async fn close_after(mut self, expected: &[&str]) {
        self.at_rest().await;
        let (code, said) = self.verify();
        assert_eq!(code, 0, "{said}");
        let letters = self
            .count("select cast(count(*) as signed) from dead_letters where state = 'open'")
            .await;
        assert!(letters == 0 || !expected.is_empty(), "{letters} dead letters are left");
        for worker in self.workers.iter_mut().filter_map(Option::take) {
            assert_eq!(worker.stop().await, 0, "a worker drains");
        }
        if let Some(api) = self.api.take() {
            assert_eq!(api.stop().await, 0, "the API drains");
        }
        let is_error =
            |line: &&str| line.contains(r#""level":"ERROR""#) || line.contains(" panicked at ");
        for line in self.logs().lines().filter(is_error) {
            assert!(expected.iter().any(|word| line.contains(word)), "{line}");
        }
        if self.amqp_url == server("AMQP_URL") {
            let broker = self.broker();
            delete_topology(&broker).await.expect("the queues are ours");
        }
        self.database.remove().await;
    }
}

/// The tests' usual settings, for both programs: free ports, cheap passwords, impatience with the gateway.
pub fn settings(
    database: &Database,
    amqp_url: &str,
    name: &str,
    folder: &Path,
) -> Vec<(String, String)> {
    let keys = "test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    [
        ("DATABASE_URL", database.url()),
        ("AMQP_URL", amqp_url.to_owned()),
        ("ORDERMILL_QUEUE_PREFIX", format!("{name}.")),
        ("ORDERMILL_ADDR", "127.0.0.1:0".to_owned()),
        ("ORDERMILL_ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ("ORDERMILL_JWT_KEYS", keys.to_owned()),
        ("ORDERMILL_BCRYPT_COST", "4".to_owned()),
        ("ORDERMILL_CHARGE_TIMEOUT_MS", "1000".to_owned()),
        ("ORDERMILL_PAYMENT_LEDGER", folder.join("payments.jsonl").display().to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What a product costs in the tests.
pub fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

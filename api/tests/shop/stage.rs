//! A shop of a test's own: a database, an API process's insides on a free port, and no broker at all,
//! because accepting must not need one. There are no workers either: the tests play their part.

use std::panic::AssertUnwindSafe;

use clap::Parser as _;
use futures::FutureExt as _;
use ordermill_api::config::{Cli, Command};
use ordermill_api::serve::Server;
use ordermill_api::token::Bearer;
use ordermill_common::db::batch::Locks;
use ordermill_common::db::{Db, migrate};
use ordermill_common::id::{OrderId, ProductId, UserId};
use ordermill_common::order::Status;
use ordermill_common::order::store::{self, Change, NewOrder};
use ordermill_common::user::{Email, NewUser, Password, Registered, Role, register};
use ordermill_common::{checkout, clock};
use ordermill_scratch::Database;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const KEYS: &str = "test:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// An API that answers, and its database.
pub(crate) struct Shop {
    pub(crate) db: Db,
    app: ordermill_api::state::AppState,
    base: String,
    client: reqwest::Client,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) id: UserId,
    base: String,
    token: String,
    client: reqwest::Client,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, after a look at the status code.
    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.text);
        self.body
    }

    /// The problem, after a look at both codes.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// Opens a shop for the test and closes it, whatever happens.
pub(crate) async fn with_shop(test: impl AsyncFnOnce(&Shop)) {
    let database = Database::create().await;
    let url = database.url();
    let db = Db::new(&url, 4).expect("the URL reads");
    migrate(&db).await.expect("the schema is laid");
    let draining = CancellationToken::new();
    let serving = serve(&url, &draining).await;
    let (app, base, running) = serving;
    let shop = Shop { db: db.clone(), app, base, client: reqwest::Client::new() };
    let outcome = AssertUnwindSafe(test(&shop)).catch_unwind().await;
    draining.cancel();
    running.await.expect("it does not panic").expect("it drains");
    db.close().await;
    database.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

type Running = tokio::task::JoinHandle<Result<(), ordermill_api::serve::ServeError>>;

async fn serve(
    url: &str,
    draining: &CancellationToken,
) -> (ordermill_api::state::AppState, String, Running) {
    let broker = "amqp://nobody:nobody@127.0.0.1:1/%2f";
    let free = "127.0.0.1:0";
    let args = ["ordermill-api", "serve", "--database-url", url, "--amqp-url", broker];
    let more = ["--addr", free, "--admin-addr", free, "--jwt-keys", KEYS, "--bcrypt-cost", "4"];
    let cli = Cli::try_parse_from(args.iter().chain(&more).chain(&["--allow-unsafe-database"]));
    let Command::Serve(args) = cli.expect("the settings read").command else {
        panic!("another command");
    };
    let server = Server::bind(&args).await.expect("it listens");
    let base = format!("http://{}", server.addr().expect("it is bound"));
    let app = server.app().clone();
    #[expect(clippy::disallowed_methods, reason = "the test itself awaits it")]
    let running = tokio::spawn(server.run(draining.clone()));
    while !app.is_open() {
        assert!(!running.is_finished(), "it ended at once");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    (app, base, running)
}

impl Shop {
    /// A new account.
    pub(crate) async fn account(&self, role: Role) -> Actor {
        let id = UserId::mint();
        let email = Email::parse(&format!("{id}@example.org")).expect("an e-mail");
        let password = Password::parse("a long enough password".to_owned()).expect("a password");
        let hash = self.app.hasher.hash(password).await.expect("it hashes");
        let new = NewUser { id, email, hash, role, created_at: clock::now() };
        let done = register(&self.db, new).await.expect("it is stored");
        assert!(matches!(done, Registered::Done(_)));
        let token = self.app.tokens.issue(Bearer { id, role }, clock::now());
        Actor { id, base: self.base.clone(), token, client: self.client.clone() }
    }

    pub(crate) async fn buyer(&self) -> Actor {
        self.account(Role::User).await
    }

    /// A product that is sold.
    pub(crate) async fn product(&self, name: &str, price: i64, stock: i64) -> String {
        self.shelf(1, name, price, stock).await.remove(0)
    }

    /// That many products that are sold, each dearer than the one before by 1.
    pub(crate) async fn shelf(
        &self,
        count: i64,
        name: &str,
        price: i64,
        stock: i64,
    ) -> Vec<String> {
        let mut tx = self.db.pool().begin().await.expect("a transaction");
        let mut products = Vec::new();
        for price in price..price + count {
            let id = ProductId::mint();
            sqlx::query(
                "insert into products \
                 (id, sku, name, description, price, version, created_at, updated_at) \
                 values (?, ?, ?, '', ?, 1, now(6), now(6))",
            )
            .bind(id)
            .bind(id.to_string())
            .bind(name)
            .bind(price)
            .execute(&mut *tx)
            .await
            .expect("a product");
            sqlx::query("insert into stock (product_id, available) values (?, ?)")
                .bind(id)
                .bind(stock)
                .execute(&mut *tx)
                .await
                .expect("its stock");
            products.push(id.to_string());
        }
        tx.commit().await.expect("the commit");
        products
    }

    /// Puts one of each product into the buyer's cart, without the answers in between.
    pub(crate) async fn fill(&self, buyer: &Actor, products: &[String]) {
        let mut tx = self.db.pool().begin().await.expect("a transaction");
        for id in products {
            let id: ProductId = id.parse().expect("a product's id");
            sqlx::query(
                "insert into cart_lines (user_id, product_id, quantity, price, added_at) \
                 values (?, ?, 1, 0, now(6))",
            )
            .bind(buyer.id)
            .bind(id)
            .execute(&mut *tx)
            .await
            .expect("a line");
        }
        tx.commit().await.expect("the commit");
    }

    /// What a worker would have made of the order by now.
    pub(crate) async fn becomes(&self, order: &str, status: &str) {
        let id: OrderId = order.parse().expect("an order's id");
        let mut conn = self.db.connect().await.expect("a connection");
        let mut tx = sqlx::Connection::begin(&mut conn).await.expect("a transaction");
        let checkout = checkout::store::lock(&mut tx, &[id], Locks::Wait).await.expect("it locks");
        let checkout = &checkout[0];
        if !checkout.consumed {
            let new = NewOrder {
                id,
                user_id: checkout.user_id,
                status: Status::Reserved,
                reason: None,
                shortfall: None,
                lines: &checkout::snapshot::read(&checkout.lines).expect("a snapshot"),
                total: checkout.total,
                accepted_at: checkout.accepted_at,
                actor: "worker",
                note: None,
                at: clock::now(),
            };
            store::insert(&mut tx, &[new]).await.expect("the order");
            checkout::store::consume(&mut tx, &[id]).await.expect("the checkout");
        }
        let version =
            store::lock(&mut tx, &[id], Locks::Wait).await.expect("it locks")[0].version + 1;
        let status: Status = status.parse().expect("a status");
        let (event, at) = (status.as_str(), clock::now());
        let (reason, actor, note) = (None, "worker", None);
        let change = Change { id, status, version, reason, event, actor, note, at };
        store::save(&mut tx, &[change]).await.expect("the change");
        tx.commit().await.expect("the commit");
    }

    /// Runs a statement that names one id.
    pub(crate) async fn run(&self, sql: &'static str, id: &str) {
        let bytes = id.parse::<ProductId>().map(ProductId::uuid);
        let bytes = bytes.or_else(|_| id.parse::<OrderId>().map(OrderId::uuid)).expect("an id");
        sqlx::query(sql).bind(bytes).execute(self.db.pool()).await.expect("it runs");
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.expect("it counts")
    }
}

impl Actor {
    /// Sends a request with these headers and, unless it is null, this body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let request = self.client.request(method, format!("{}/v1{path}", self.base));
        let request =
            headers.iter().fold(request.bearer_auth(&self.token), |request, (name, value)| {
                request.header(*name, *value)
            });
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("an answer");
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("its body");
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer { code, headers, text, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Value::Null).await
    }

    pub(crate) async fn add(&self, product: &str, quantity: u32) -> Answer {
        self.post("/cart/lines", json!({"product_id": product, "quantity": quantity})).await
    }

    /// Orders the cart.
    pub(crate) async fn checkout(&self, key: Option<&str>) -> Answer {
        let headers: Vec<_> = key.iter().map(|key| ("Idempotency-Key", *key)).collect();
        let body = json!({"payment_method": "tok_approve"});
        self.send(Method::POST, "/checkout", &headers, body).await
    }

    /// Orders one of the product.
    pub(crate) async fn order(&self, product: &str) -> String {
        self.add(product, 1).await.expect(200);
        let order = self.checkout(None).await.expect(202);
        order["id"].as_str().expect("an id").to_owned()
    }
}

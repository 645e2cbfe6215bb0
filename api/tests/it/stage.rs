//! A shop of a test's own: a database that is dropped whatever happens, a server on a free port, actors.

use std::panic::{AssertUnwindSafe, resume_unwind};

use clap::Parser as _;
use futures::FutureExt as _;
use ordermill_api::config::{Cli, Command, ServeArgs};
use ordermill_api::serve::Server;
use ordermill_api::state::AppState;
use ordermill_api::token::Bearer;
use ordermill_common::clock;
use ordermill_common::db::{self, Db};
use ordermill_common::id::UserId;
use ordermill_common::ops::Patience;
use ordermill_common::user::{self, Email, NewUser, Password, Registered, Role};
use ordermill_scratch::{Database, within};
use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Signs.
pub(crate) const KEY: &str = "bm93LW5vdy1ub3ctbm93LW5vdy1ub3ctbm93LW5vdy0=";
/// Is still read.
pub(crate) const OLD_KEY: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=";
/// Everybody's.
pub(crate) const PASSWORD: &str = "correct-horse-battery";
/// Nobody listens there.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";

/// Runs the story with the URL of an empty database, which is dropped whatever becomes of the story.
pub(crate) async fn with_database(story: impl AsyncFnOnce(String)) {
    let database = Database::create().await;
    story(database.url()).await;
    database.remove().await;
}

/// The arguments of a server that everything but the database is far from.
pub(crate) fn serve_args(database_url: &str) -> ServeArgs {
    let keys = format!("now:{KEY},old:{OLD_KEY}");
    let cli = Cli::try_parse_from([
        "ordermill-api",
        "serve",
        "--database-url",
        database_url,
        "--amqp-url",
        &format!("amqp://{NOWHERE}/%2f"),
        "--jwt-keys",
        &keys,
        "--addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
        "--bcrypt-cost",
        "4",
        "--allow-unsafe-database",
        "true",
    ]);
    match cli.expect("the arguments are right").command {
        Command::Serve(args) => *args,
        other => panic!("{other:?}"),
    }
}

/// A running shop.
pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) health_url: String,
    pub(crate) app: AppState,
    http: Client,
}

/// Opens a shop on a database of its own and closes it after the story.
pub(crate) async fn with_shop(story: impl AsyncFnOnce(&Shop)) {
    with_database(async |url| {
        db::migrate(&Db::new(&url, 1).expect("a URL")).await.expect("a fresh database migrates");
        with_server(&url, async |shop| {
            shop.until_ready().await;
            story(shop).await;
        })
        .await;
    })
    .await;
}

/// Serves on this database, whatever its state.
pub(crate) async fn with_server(url: &str, story: impl AsyncFnOnce(&Shop)) {
    with_patient_server(url, Patience::default(), story).await;
}

/// The same with other patience for slow clients.
pub(crate) async fn with_patient_server(
    url: &str,
    patience: Patience,
    story: impl AsyncFnOnce(&Shop),
) {
    let server = Server::bind(&serve_args(url)).await.expect("free ports are free");
    let server = server.with_patience(patience);
    let shop = Shop {
        url: format!("http://{}", server.addr().expect("it listens")),
        health_url: format!("http://{}", server.health_addr().expect("it listens")),
        app: server.app().clone(),
        http: Client::new(),
    };
    let (draining, tasks) = (CancellationToken::new(), TaskTracker::new());
    let serving = tasks.spawn(server.run(draining.clone()));
    let outcome = AssertUnwindSafe(story(&shop)).catch_unwind().await;
    draining.cancel();
    drop(shop);
    let ended = serving.await.expect("serving does not panic");
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    ended.expect("it drains in time");
}

/// An account and its token.
pub(crate) struct Actor {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

impl Shop {
    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call(self.http.request(method, format!("{}{path}", self.url)))
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    pub(crate) async fn health(&self, path: &str) -> (u16, String) {
        let reply = self.http.get(format!("{}{path}", self.health_url)).send().await;
        let reply = reply.expect("the health listener answers");
        (reply.status().as_u16(), reply.text().await.expect("a body"))
    }

    pub(crate) async fn until_ready(&self) {
        until("the shop is ready", async || self.health("/readyz").await.0 == 200).await;
    }

    pub(crate) async fn actor(&self, role: Role) -> Actor {
        let id = UserId::mint();
        let email = Email::parse(&format!("{id}@example.org")).expect("an e-mail");
        let password = Password::parse(PASSWORD.to_owned()).expect("a password");
        let hash = self.app.hasher.hash(password).await.expect("a turn");
        let new = NewUser { id, email, hash, role, created_at: clock::now() };
        let registered = user::register(&self.app.db, new).await.expect("the database answers");
        assert!(matches!(registered, Registered::Done(_)));
        Actor { id, token: self.app.tokens.issue(Bearer { id, role }, clock::now()) }
    }

    pub(crate) async fn buyer(&self) -> Actor {
        self.actor(Role::User).await
    }

    pub(crate) async fn admin(&self) -> Actor {
        self.actor(Role::Admin).await
    }

    /// Makes a product and answers its id.
    pub(crate) async fn product(&self, admin: &Actor, sku: &str, price: i64, stock: i64) -> String {
        let body = json!({
            "sku": sku, "name": sku, "price": {"amount": price, "currency": "EUR"}, "stock": stock,
        });
        let made = self.post("/v1/admin/products", &body).by(admin).send().await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["id"].as_str().expect("an id").to_owned()
    }
}

/// Waits until it is so, for at most a minute.
pub(crate) async fn until(what: &str, fact: impl AsyncFnMut() -> bool) {
    within(60, what, fact).await;
}

/// A request in the making.
pub(crate) struct Call(RequestBuilder);

impl Call {
    pub(crate) fn by(self, actor: &Actor) -> Self {
        self.bearer(&actor.token)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    pub(crate) fn bytes(self, body: Vec<u8>) -> Self {
        Self(self.0.body(body))
    }

    /// Sends it. Whatever is refused has to be a whole problem, and everything has a request id.
    pub(crate) async fn send(self) -> Reply {
        let answer = self.0.send().await.expect("the shop answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status, headers, body, text };
        let request_id = reply.header("x-request-id").to_owned();
        assert!(request_id.len() >= 8, "{}", reply.text);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        if status >= 400 {
            assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.text);
            assert_eq!(reply.body["status"], status, "{}", reply.text);
            assert_eq!(reply.body["request_id"], request_id, "{}", reply.text);
            for member in ["type", "title", "detail", "instance", "code"] {
                assert!(reply.body[member].is_string(), "{member} in {}", reply.text);
            }
        }
        reply
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        self
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The pointers of a refusal's flaws.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let flaws = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        flaws.iter().filter_map(|flaw| flaw["pointer"].as_str()).collect()
    }
}

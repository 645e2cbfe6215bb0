//! The program itself: its settings, its commands, its signals, its log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{KEY, NOWHERE, PASSWORD, until, with_database};

/// A login that nobody can make.
const BODY: &str = r#"{"email":"a@b.example","password":"12345"}"#;

/// The program with nothing of the tests' own environment.
fn program(database_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordermill-api"));
    command
        .env_clear()
        .env("DATABASE_URL", database_url)
        .env("AMQP_URL", format!("amqp://{NOWHERE}/%2f"))
        .env("ORDERMILL_JWT_KEYS", format!("now:{KEY}"))
        .env("ORDERMILL_BCRYPT_COST", "4")
        .env("ORDERMILL_ALLOW_UNSAFE_DATABASE", "true")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end off the test's thread.
async fn output(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("it does not panic").expect("the program is there")
}

async fn run(url: &str, args: &[&str]) -> (bool, String, String) {
    let mut command = program(url);
    command.args(args);
    let output = output(command).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// A serving process, killed when the test is over.
struct Serving {
    child: Child,
    folder: TempDir,
    client: reqwest::Client,
}

impl Serving {
    fn start(url: &str, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let child = program(url)
            .env("ORDERMILL_ADDR", "127.0.0.1:0")
            .env("ORDERMILL_ADMIN_ADDR", "127.0.0.1:0")
            .env("ORDERMILL_PORT_FILE", folder.path().join("api"))
            .env("ORDERMILL_ADMIN_PORT_FILE", folder.path().join("health"))
            .envs(settings.iter().copied())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("the program is there");
        // A connection for each request, so that none is kept open into a drain.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        Self { child, folder, client: client.expect("a client") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).expect("a log")
    }

    fn addr(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("a port file").trim().to_owned()
    }

    async fn until_ready(&self) {
        until("its port file is there", async || self.file("api").exists()).await;
        until("it is ready", async || self.ready().await == Some(200)).await;
    }

    async fn ready(&self) -> Option<u16> {
        let url = format!("http://{}/readyz", self.addr("health"));
        Some(self.client.get(url).send().await.ok()?.status().as_u16())
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let call = self.client.post(format!("http://{}{path}", self.addr("api")));
        let reply = call.json(body).send().await.expect("it answers");
        (reply.status().as_u16(), reply.json().await.expect("JSON"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Its exit code, once it has ended by itself.
    async fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        until("it has ended", async || {
            code = self.child.try_wait().expect("it is ours");
            code.is_some()
        })
        .await;
        code.and_then(|status| status.code())
    }

    /// A request whose body is still on its way.
    async fn half_a_request(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr("api")).expect("it listens");
        let head = format!(
            "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{}",
            BODY.len(),
            &BODY[..1],
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        // Seen at work: requests that came after it on other connections have been answered.
        let url = format!("http://{}/v1/products", self.addr("api"));
        for _ in 0..5 {
            self.client.get(&url).send().await.expect("it answers");
        }
        stream
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn finish(stream: &mut TcpStream) -> String {
    stream.write_all(&BODY.as_bytes()[1..]).expect("it reads");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[tokio::test]
async fn commands_migrate_seed_and_make_an_admin_and_may_be_repeated() {
    with_database(async |url| {
        for _ in 0..2 {
            let (fine, _, error) = run(&url, &["migrate"]).await;
            assert!(fine, "{error}");
        }
        let (fine, first, _) = run(&url, &["seed"]).await;
        assert!(fine && first.contains("\"made\":24"), "{first}");
        let (fine, second, _) = run(&url, &["seed"]).await;
        assert!(fine && second.contains("\"made\":0"), "{second}");

        let boss = ["create-admin", "--email", " Boss@Example.org"];
        let (fine, first, _) = run(&url, &boss).await;
        let password = first.lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
        assert!(fine && password.len() >= 20 && first.contains("boss@example.org"), "{first}");
        let (fine, second, _) = run(&url, &boss).await;
        assert!(
            fine && second.contains("exists already") && !second.contains("password:"),
            "{second}"
        );

        let shop = Serving::start(&url, &[]);
        shop.until_ready().await;
        let login = json!({"email": "boss@example.org", "password": password});
        let (status, session) = shop.post("/v1/auth/login", &login).await;
        assert_eq!((status, &session["user"]["role"]), (200, &json!("admin")));
        let ann = json!({"email": "ann@example.org", "password": PASSWORD});
        assert_eq!(shop.post("/v1/auth/register", &ann).await.0, 201);
        let (fine, _, error) = run(&url, &["create-admin", "--email", "ann@example.org"]).await;
        assert!(!fine && error.contains("not an admin's"), "{error}");
        let (fine, _, error) = run(&url, &["create-admin", "--email", "nobody"]).await;
        assert!(!fine && error.contains("e-mail"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_admins_password_can_come_from_standard_input() {
    with_database(async |url| {
        assert!(run(&url, &["migrate"]).await.0);
        for (password, made) in [("short\n", false), ("a-long-enough-one\r\n", true)] {
            let mut command = program(&url);
            command.args(["create-admin", "--email", "boss@example.org", "--password-stdin"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
            let output =
                tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
            assert_eq!(output.status.success(), made);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!said.contains("password"), "{said}");
        }
        let shop = Serving::start(&url, &[]);
        shop.until_ready().await;
        let login = json!({"email": "boss@example.org", "password": "a-long-enough-one"});
        assert_eq!(shop.post("/v1/auth/login", &login).await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn wrong_settings_are_listed_together_and_secrets_are_not_repeated() {
    let mut command = program("mysql://x:x@127.0.0.1:1/x");
    command
        .env("DATABASE_URL", "postgres://me:hidden@db/shop")
        .env("ORDERMILL_BCRYPT_COST", "3")
        .env("ORDERMILL_ADDR", "nowhere")
        .env("ORDERMILL_CURRENCY", "euro")
        .env("ORDERMILL_TOKEN_SECONDS", "0")
        .env("ORDERMILL_JWT_KEYS", "now:c2hvcnQ=")
        .env_remove("AMQP_URL");
    let output = output(command).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for setting in [
        "DATABASE_URL",
        "ORDERMILL_BCRYPT_COST",
        "ORDERMILL_ADDR",
        "ORDERMILL_CURRENCY",
        "ORDERMILL_TOKEN_SECONDS",
        "ORDERMILL_JWT_KEYS",
        "--amqp-url",
        "fewer than 32 bytes",
    ] {
        assert!(error.contains(setting), "{setting} in {error}");
    }
    assert!(!error.contains("c2hvcnQ") && !error.contains("hidden"), "{error}");
}

#[tokio::test]
async fn there_is_no_default_key() {
    let mut command = program("mysql://x:x@127.0.0.1:1/x");
    command.env_remove("ORDERMILL_JWT_KEYS");
    let output = output(command).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("--jwt-keys"), "{error}");
}

#[tokio::test]
async fn the_health_check_asks_a_running_api() {
    with_database(async |url| {
        assert!(run(&url, &["migrate"]).await.0);
        let mut shop = Serving::start(&url, &[]);
        shop.until_ready().await;
        let check = async |addr: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ordermill-api"));
            command.env_clear().args(["healthcheck", "--admin-addr", addr]);
            output(command).await
        };
        let healthy = check(&shop.addr("health")).await;
        assert!(healthy.status.success());
        assert!(String::from_utf8_lossy(&healthy.stdout).contains("\"ready\":true"));
        shop.signal("-TERM");
        assert_eq!(shop.ended().await, Some(0));
        assert!(!check(&shop.addr("health")).await.status.success());
    })
    .await;
}

#[tokio::test]
async fn a_told_process_stops_listening_finishes_what_it_holds_and_leaves() {
    with_database(async |url| {
        assert!(run(&url, &["migrate"]).await.0);
        for signal in ["-TERM", "-INT"] {
            let mut shop = Serving::start(&url, &[]);
            shop.until_ready().await;
            let mut half = shop.half_a_request().await;
            shop.signal(signal);
            until("it is not ready", async || shop.ready().await == Some(503)).await;
            until("it does not listen", async || TcpStream::connect(shop.addr("api")).is_err())
                .await;
            let url = format!("http://{}/livez", shop.addr("health"));
            let live = shop.client.get(url).send().await.unwrap();
            assert_eq!(live.status(), 200, "a draining process lives");
            let answer = tokio::task::spawn_blocking(move || finish(&mut half)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
            assert_eq!(shop.ended().await, Some(0));
            assert!(shop.log().contains("drained"), "{}", shop.log());
        }
    })
    .await;
}

#[tokio::test]
async fn a_drain_has_an_end_and_a_second_signal_is_one() {
    with_database(async |url| {
        assert!(run(&url, &["migrate"]).await.0);
        let mut shop = Serving::start(&url, &[("ORDERMILL_DRAIN_SECONDS", "1")]);
        shop.until_ready().await;
        let _half = shop.half_a_request().await;
        let told = Instant::now();
        shop.signal("-TERM");
        assert_eq!(shop.ended().await, Some(1));
        assert!(told.elapsed() >= Duration::from_secs(1), "it waited");

        let mut shop = Serving::start(&url, &[("ORDERMILL_DRAIN_SECONDS", "600")]);
        shop.until_ready().await;
        let _half = shop.half_a_request().await;
        shop.signal("-TERM");
        until("it drains", async || shop.ready().await == Some(503)).await;
        shop.signal("-TERM");
        assert_eq!(shop.ended().await, Some(130));
    })
    .await;
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut shop = Serving::start("mysql://x:x@127.0.0.1:1/x", &[("ORDERMILL_ADDR", &addr)]);
    assert_eq!(shop.ended().await, Some(1));
    assert!(shop.log().contains(&format!("cannot listen on {addr}")), "{}", shop.log());
}

#[tokio::test]
async fn a_request_is_one_line_with_its_id_and_no_level_tells_a_secret() {
    with_database(async |url| {
        assert!(run(&url, &["migrate"]).await.0);
        let shop = Serving::start(&url, &[("ORDERMILL_LOG", "trace")]);
        shop.until_ready().await;
        let ann = json!({"email": "ann@example.org", "password": PASSWORD});
        assert_eq!(shop.post("/v1/auth/register", &ann).await.0, 201);
        let wrong = json!({"email": "ann@example.org", "password": "wrong-secret-1"});
        assert_eq!(shop.post("/v1/auth/login", &wrong).await.0, 401);
        let odd = json!({"email": "ann@example.org", "password": {"wrong-secret-2": 1}});
        assert_eq!(shop.post("/v1/auth/login", &odd).await.0, 400);
        let (_, session) = shop.post("/v1/auth/login", &ann).await;
        let token = session["access_token"].as_str().unwrap();
        let me = reqwest::Client::new()
            .get(format!("http://{}/v1/me?secret=query-secret", shop.addr("api")))
            .header("x-request-id", "the-one-request")
            .bearer_auth(token);
        assert_eq!(me.send().await.unwrap().status(), 200);
        let forged = reqwest::Client::new().get(format!("http://{}/v1/me", shop.addr("api")));
        assert_eq!(forged.bearer_auth("forged-token-1").send().await.unwrap().status(), 401);

        let log = shop.log();
        assert!(log.contains("\"TRACE\""), "it was really asked for everything");
        let kept: String = sqlx::query_scalar("select password_hash from users")
            .fetch_one(ordermill_common::db::Db::new(&url, 1).unwrap().pool())
            .await
            .unwrap();
        let server = ordermill_scratch::server("DATABASE_URL");
        let credentials = server.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
        let secrets = [
            PASSWORD,
            "wrong-secret-1",
            "wrong-secret-2",
            "query-secret",
            "forged-token-1",
            token,
            KEY,
            "now-now-now",
            &kept,
            credentials,
            token.rsplit_once('.').unwrap().1,
        ];
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} is in the log");
        }

        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let told: Vec<Value> = lines
            .filter(|line| {
                line["level"] == "INFO" && line["span"]["request_id"] == "the-one-request"
            })
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["message"], "request");
        assert_eq!(told[0]["status"], 200);
        assert!(told[0]["duration_ms"].is_number());
        assert_eq!(told[0]["span"]["route"], "/v1/me");
        assert_eq!(told[0]["span"]["method"], "GET");
        assert_eq!(told[0]["span"]["user.id"], session["user"]["id"]);
        let settings = log.lines().find(|line| line.contains("\"configuration\"")).unwrap();
        assert!(settings.contains("mysql://") && settings.contains("***"), "{settings}");
    })
    .await;
}

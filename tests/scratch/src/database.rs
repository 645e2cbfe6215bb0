//! A database of a test's own on the given server, gone when it is dropped.

use std::str::FromStr as _;

use sqlx::Connection as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};

/// Reads the server's address, or fails the test with what to do.
pub fn server(variable: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the tests' configuration is their environment")]
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set; run the tests with `cargo xtask test`"))
}

/// A name that no other test's database or queue prefix has.
pub fn fresh_name() -> String {
    #[expect(clippy::disallowed_methods, reason = "a name that no other test has")]
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("omtest_{}", &random[..12])
}

/// An empty database. A test that fails drops it as well.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Creates it on the tests' server.
    pub async fn create() -> Self {
        Self::create_on(server("DATABASE_URL"), &fresh_name()).await
    }

    /// Creates it on the server of this URL, under a name of the caller's choice.
    pub async fn create_on(server: String, name: &str) -> Self {
        let creating = run(&server, format!("create database {name} character set utf8mb4"));
        creating.await.expect("cannot create a database");
        Self { server, name: name.to_owned() }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let (place, options) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let end = place.rfind('/').filter(|at| *at > "mysql://".len()).unwrap_or(place.len());
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        format!("{}/{}{options}", &place[..end], self.name)
    }

    /// Its name, which no other test's queues have as their prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Drops it now.
    pub async fn remove(self) {
        // `Drop` does the work, on a thread of its own.
        tokio::task::spawn_blocking(move || drop(self)).await.expect("dropping does not panic");
    }
}

impl Drop for Database {
    /// On a thread of its own, because a failing test drops it outside any runtime.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // A failing test may still hold a transaction open: leave the database rather than wait.
            let drop = format!("set lock_wait_timeout = 10; drop database if exists {name}");
            runtime.block_on(run(&server, drop))?;
            anyhow::Ok(())
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} was left behind", self.name);
        }
    }
}

async fn run(server: &str, statement: String) -> sqlx::Result<()> {
    let options = MySqlConnectOptions::from_str(server)?;
    let mut conn = MySqlConnection::connect_with(&options).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await?;
    conn.close().await
}

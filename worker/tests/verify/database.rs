//! A database of a test's own, on the server that `DATABASE_URL` names.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use ordermill_common::db::{Db, migrate};
use ordermill_common::id::OwnerId;
use sqlx::AssertSqlSafe;

/// Runs the story in a fresh, migrated database, and drops that whatever becomes of the story.
pub(crate) async fn with_database<F: Future<Output = ()>>(story: impl FnOnce(Db) -> F) {
    let url = url();
    let server = Db::new(&url, 1).expect("DATABASE_URL is a URL");
    let name = format!("omtest_{}", OwnerId::mint().hex());
    run(&server, format!("create database {name}")).await;
    let db = Db::new(&at(&url, &name), 4).expect("the same URL, at another database");
    let outcome = AssertUnwindSafe(async {
        migrate(&db).await.expect("a fresh database can be migrated");
        story(db.clone()).await;
    })
    .catch_unwind()
    .await;
    db.close().await;
    run(&server, format!("drop database {name}")).await;
    server.close().await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

#[expect(clippy::disallowed_methods, reason = "a test's only configuration")]
fn url() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL is not set; run `cargo xtask test`")
}

/// The URL with another database in its path.
fn at(url: &str, name: &str) -> String {
    let (rest, query) = url.split_once('?').map_or((url, ""), |(rest, query)| (rest, query));
    let (server, _) = rest.rsplit_once('/').expect("a URL with a path");
    format!("{server}/{name}?{query}")
}

async fn run(server: &Db, sql: String) {
    let mut conn = server.connect().await.expect("the server of DATABASE_URL answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("databases can be made");
}

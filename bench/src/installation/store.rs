//! The databases of the sites: made before the product sees them, dropped after it.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

/// Makes an empty database on the server of `url` and answers its URL.
pub(super) async fn create(url: &str, name: &str) -> Result<String> {
    run(url, format!("create database `{name}` character set utf8mb4")).await?;
    let (server, _) = url.rsplit_once('/').context("the database's URL names no database")?;
    Ok(format!("{server}/{name}"))
}

/// Drops a database that [`create`] made.
pub(super) async fn drop(url: &str, name: &str) -> Result<()> {
    run(url, format!("drop database if exists `{name}`")).await
}

// The names are ours: letters, digits and underscores.
async fn run(url: &str, statement: String) -> Result<()> {
    let mut connection =
        MySqlConnection::connect(url).await.context("cannot reach the database server")?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

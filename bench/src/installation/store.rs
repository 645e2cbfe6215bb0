//! The databases of the sites: made before the product sees them, dropped after it.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

/// Makes an empty database on the server of `url` and answers its URL.
pub(super) async fn create(url: &str, name: &str) -> Result<String> {
    run(url, format!("create database `{name}` character set utf8mb4")).await?;
    Ok(renamed(url, name))
}

/// The URL of another database on the same server.
fn renamed(url: &str, name: &str) -> String {
    let (place, options) = url.split_at(url.find('?').unwrap_or(url.len()));
    let host = place.find("://").map_or(0, |scheme| scheme + 3);
    let end = place.rfind('/').filter(|slash| *slash >= host).unwrap_or(place.len());
    format!("{}/{name}{options}", &place[..end])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_database_is_replaced() {
        for (url, other) in [
            ("mysql://u:p@h:3306/shop", "mysql://u:p@h:3306/bench"),
            ("mysql://u:p@h/shop?ssl-mode=disabled", "mysql://u:p@h/bench?ssl-mode=disabled"),
            ("mysql://u:p@h", "mysql://u:p@h/bench"),
        ] {
            assert_eq!(renamed(url, "bench"), other);
        }
    }
}

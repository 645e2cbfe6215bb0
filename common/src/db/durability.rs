//! A promise is worth what the disk was told. Start refuses a server that confirms before it writes.

use std::time::Duration;

use sqlx::Row as _;

use super::{Db, Result, within};

/// What is wrong with the server's settings, one sentence each.
#[derive(Debug, thiserror::Error)]
#[error("the database server is not safe for orders: {}", .0.join("; "))]
pub struct Unsafe(pub Vec<String>);

const MIN_PACKET: i64 = 16 * 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(10);

/// Answers `Err(Unsafe)` inside `Ok` when the server's settings would lose or corrupt accepted orders:
/// commits not flushed, a binary log not synced or statement-based, CHECK not enforced, packets too small.
/// Waits ten seconds at most.
pub async fn refuse_unsafe(db: &Db) -> Result<std::result::Result<(), Unsafe>> {
    let wrong = within(LIMIT, wrong_settings(db)).await?;
    Ok(if wrong.is_empty() { Ok(()) } else { Err(Unsafe(wrong)) })
}

async fn wrong_settings(db: &Db) -> Result<Vec<String>> {
    let mut conn = db.connect().await?;
    let row = sqlx::query(
        "select cast(@@innodb_flush_log_at_trx_commit as signed) as flush, \
         cast(@@sync_binlog as signed) as sync_binlog, \
         cast(@@log_bin as signed) as log_bin, \
         cast(@@binlog_format as char) as binlog_format, \
         cast(@@max_allowed_packet as signed) as packet, \
         cast(@@version as char) as version",
    )
    .fetch_one(&mut conn)
    .await?;
    let mut wrong = Vec::new();
    if row.try_get::<i64, _>("flush")? != 1 {
        wrong.push("innodb_flush_log_at_trx_commit must be 1".to_owned());
    }
    let binlog = row.try_get::<i64, _>("log_bin")? == 1;
    if binlog && row.try_get::<i64, _>("sync_binlog")? != 1 {
        wrong.push("sync_binlog must be 1 while the binary log is on".to_owned());
    }
    if binlog && row.try_get::<String, _>("binlog_format")?.eq_ignore_ascii_case("statement") {
        wrong.push("binlog_format must not be STATEMENT".to_owned());
    }
    if row.try_get::<i64, _>("packet")? < MIN_PACKET {
        wrong.push("max_allowed_packet must be at least 16 MiB".to_owned());
    }
    let version: String = row.try_get("version")?;
    if !enforces_checks(&version, &mut conn).await? {
        wrong.push(format!("CHECK constraints are not enforced by {version}"));
    }
    Ok(wrong)
}

/// `MySQL` enforces them from 8.0.16, `MariaDB` unless `check_constraint_checks` is off.
async fn enforces_checks(version: &str, conn: &mut sqlx::MySqlConnection) -> Result<bool> {
    if version.to_ascii_lowercase().contains("mariadb") {
        let on: i64 = sqlx::query_scalar("select cast(@@check_constraint_checks as signed)")
            .fetch_one(conn)
            .await?;
        return Ok(on == 1);
    }
    Ok(mysql_enforces_checks(version))
}

fn mysql_enforces_checks(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version =
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (8, 0, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_enforced_since_a_patch_of_mysql_8() {
        for old in ["", "5.7.44-log", "8.0.15", "8.0.9-rc", "8.0"] {
            assert!(!mysql_enforces_checks(old), "{old}");
        }
        for new in ["8.0.16", "8.0.40-0ubuntu0.22.04.1", "8.4.3", "9.7.0-debian", "10.0"] {
            assert!(mysql_enforces_checks(new), "{new}");
        }
    }
}

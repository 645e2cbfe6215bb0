//! Migrations are run by one process at a time. The lock is ours: the library's own does nothing on
//! `MariaDB`, which answers a negative timeout with null and a warning that the library ignores.

use sqlx::MySqlConnection;
use sqlx::migrate::Migrator;

use super::{Db, Error};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database could not be asked.
    #[error("cannot reach the database to migrate it")]
    Db(#[from] Error),
    /// A migration failed, or an earlier one did and its version is marked as dirty.
    #[error("cannot bring the schema up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Another process has been migrating for a minute.
    #[error("another process is migrating this database")]
    Locked,
}

/// Brings the schema up to date; does nothing when it is. Waits up to a minute for another process that
/// is migrating the same database.
pub async fn migrate(db: &Db) -> Result<(), MigrateError> {
    let mut conn = db.connect().await?;
    let locked: Option<i64> =
        sqlx::query_scalar("select get_lock(concat(left(database(), 50), '.migrate'), 60)")
            .fetch_one(&mut conn)
            .await
            .map_err(Error::from)?;
    if locked != Some(1) {
        return Err(MigrateError::Locked);
    }
    // The lock is the session's, so it ends with the connection whatever happens here.
    MIGRATIONS.run(&mut conn).await?;
    Ok(())
}

/// Whether the newest migration known to this binary has been applied. Waits no longer than [`Db::read`].
pub async fn migrations_are_current(db: &Db) -> Result<bool, Error> {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    let applied = db.read(|conn| Box::pin(newest_applied(conn))).await?;
    Ok(applied.is_some() && applied >= newest)
}

async fn newest_applied(conn: &mut MySqlConnection) -> Result<Option<i64>, Error> {
    let exists: i64 = sqlx::query_scalar(
        "select cast(count(*) as signed) from information_schema.tables \
         where table_schema = database() and table_name = '_sqlx_migrations'",
    )
    .fetch_one(&mut *conn)
    .await?;
    if exists == 0 {
        return Ok(None);
    }
    let applied =
        sqlx::query_scalar("select max(version) from _sqlx_migrations where success = true");
    Ok(applied.fetch_one(conn).await?)
}

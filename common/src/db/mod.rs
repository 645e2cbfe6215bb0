//! The door to the database: how connections are made, what every session is told, which failures mean
//! what, and the two ways to write: a batch through [`group`], or a small unit of work through [`Db::write`].

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, MySql, MySqlConnection};

pub mod batch;
mod durability;
mod error;
pub mod flush;
pub mod group;
mod lent;
mod migrate;
#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;
mod unit;
pub mod wake;

pub use durability::{Unsafe, refuse_unsafe};
pub use error::{Error, Result, Trouble};
pub use migrate::{MigrateError, migrate, migrations_are_current};

/// An open transaction. Functions that borrow one neither commit nor roll back.
pub type Tx<'c> = sqlx::Transaction<'c, MySql>;

/// Commits. A COMMIT without an answer may have happened: its error says so.
pub async fn commit(tx: Tx<'_>) -> Result<()> {
    tx.commit().await.map_err(|error| Error::CommitUnknown(Box::new(error.into())))
}

/// How long the server keeps a session that stands still, and with it a transaction and its locks.
const STILL: &str = "set session wait_timeout = 15";
/// Under that, so that nobody takes a connection that the server has just closed.
const IDLE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
const PING: Duration = Duration::from_secs(3);

/// Strict in full, so that both server generations refuse the same things; nothing is inherited.
const SESSION: &str = "set session \
    sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
    innodb_lock_wait_timeout = 2";
const ISOLATION: &str = "set session transaction isolation level read committed";

/// A database to work with: cheap to clone, connects when it is first used.
#[derive(Clone, Debug)]
pub struct Db {
    options: MySqlConnectOptions,
    pool: MySqlPool,
}

impl Db {
    /// Reads the URL and prepares a pool of at most `connections`; does not connect yet.
    pub fn new(url: &str, connections: u32) -> Result<Self> {
        let options = MySqlConnectOptions::from_str(url)?
            .charset("utf8mb4")
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(3))
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    // The pool itself looks for idle connections only now and then.
                    if meta.idle_for > IDLE {
                        return Ok(false);
                    }
                    if meta.idle_for > Duration::from_secs(5) {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|conn, _| {
                Box::pin(async move {
                    settle_session(conn).await?;
                    end_when_still(conn).await
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self { options, pool })
    }

    /// The pool, for tools and tests. What serves requests goes through [`Db::read`], [`Db::write`] or a
    /// lane, none of which waits for ever. As a lane's, its sessions end after 15 idle seconds, with
    /// whatever transaction is open in them.
    pub fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// A connection of the caller's own, outside the pool, made within 5 seconds.
    pub async fn connect(&self) -> Result<MySqlConnection> {
        let connecting = async {
            let mut conn = self.options.connect().await?;
            settle_session(&mut conn).await?;
            Ok(conn)
        };
        within(CONNECT, Box::pin(connecting)).await
    }

    /// As [`Db::connect`], for a lane: the server ends the session after 15 idle seconds, and with it
    /// any transaction and lock of a process that went silent.
    pub async fn connect_lane(&self) -> Result<MySqlConnection> {
        let mut conn = self.connect().await?;
        within(CONNECT, async { Ok(end_when_still(&mut conn).await?) }).await?;
        Ok(conn)
    }

    /// Answers when the database does, within 3 seconds.
    pub async fn ping(&self) -> Result<()> {
        let asking = self.read(|conn| {
            Box::pin(async move {
                sqlx::query("select 1").execute(conn).await?;
                Ok(())
            })
        });
        within(PING, asking).await
    }

    /// Ends the pool's connections; what still uses one gets it closed under it.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(3), self.pool.close()).await;
    }
}

/// Waits for work on a connection at most this long. What is late was dropped halfway: its connection must
/// not be used again.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.map_err(|_| Error::TimedOut)?
}

async fn settle_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(SESSION).execute(&mut *conn).await?;
    sqlx::raw_sql(ISOLATION).execute(conn).await?;
    Ok(())
}

async fn end_when_still(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(STILL).execute(conn).await?;
    Ok(())
}

//! What every session is told, whatever the server's own settings are.

use std::sync::Arc;
use std::time::Duration;

use ordermill_scratch::{Cable, Proxy, server, within};
use sqlx::MySqlConnection;
use tokio::time::timeout;

use super::scratch::{with_database, with_pool_of};
use super::{Db, Error, Result, Trouble, migrations_are_current};

mod columns;

async fn variable(conn: &mut MySqlConnection, names: &'static str) -> String {
    let shown: (String, String) = sqlx::query_as(names).fetch_one(conn).await.unwrap();
    shown.1
}

#[tokio::test]
async fn every_session_is_strict_and_reads_what_is_committed() {
    with_database(async |db| {
        let mut pooled = db.pool().acquire().await.unwrap();
        let mut own = db.connect().await.unwrap();
        let mut lane = db.connect_lane().await.unwrap();
        for conn in [&mut *pooled, &mut own, &mut lane] {
            let isolation = "show session variables \
                where variable_name in ('tx_isolation', 'transaction_isolation')";
            assert_eq!(variable(conn, isolation).await, "READ-COMMITTED");
            let mode = variable(conn, "show session variables like 'sql_mode'").await;
            let mut mode: Vec<&str> = mode.split(',').collect();
            mode.sort_unstable();
            let expected = [
                "ERROR_FOR_DIVISION_BY_ZERO",
                "NO_ENGINE_SUBSTITUTION",
                "NO_ZERO_DATE",
                "NO_ZERO_IN_DATE",
                "ONLY_FULL_GROUP_BY",
                "STRICT_ALL_TABLES",
                "STRICT_TRANS_TABLES",
            ];
            assert_eq!(mode, expected);
            let wait =
                variable(conn, "show session variables like 'innodb_lock_wait_timeout'").await;
            assert_eq!(wait, "2");
        }
        let idle = "show session variables like 'wait_timeout'";
        for conn in [&mut *pooled, &mut lane] {
            assert_eq!(variable(conn, idle).await, "15", "a silent process's locks are freed");
        }
        assert_ne!(variable(&mut own, idle).await, "15");
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_stands_still_loses_its_locks_before_others_give_up() {
    with_database(async |db| {
        sqlx::raw_sql("create table held (id bigint primary key) engine = innodb")
            .execute(db.pool())
            .await
            .unwrap();
        let insert = "insert into held (id) values (1)";
        let mut frozen = db.pool().begin().await.unwrap();
        sqlx::raw_sql(insert).execute(&mut *frozen).await.unwrap();
        let mut other = db.connect().await.unwrap();
        let patience = "set session innodb_lock_wait_timeout = 40";
        sqlx::raw_sql(patience).execute(&mut other).await.unwrap();
        sqlx::raw_sql(insert).execute(&mut other).await.expect("the row is let go of");
    })
    .await;
}

#[tokio::test]
async fn only_what_another_try_cannot_outlive_is_held_against_an_order() {
    use Trouble::{Duplicate, LockWait, Permanent, Rerun};
    // The server's number for it, what it asks for, whether the connection is lost, and whether it was too late.
    let table = [
        (1020, Rerun, false, false, "changed since it was read"),
        (1021, Rerun, false, false, "the disk is full"),
        (1040, Rerun, false, false, "too many connections"),
        (1053, Rerun, true, false, "the server shuts down"),
        (1062, Duplicate, false, false, "the key is taken"),
        (1114, Rerun, false, false, "the table is full"),
        (1203, Rerun, false, false, "too many connections of this user"),
        (1205, LockWait, false, false, "the row is held"),
        (1213, Rerun, false, false, "a deadlock"),
        (1226, Rerun, false, false, "a limit of this user"),
        (1290, Rerun, false, false, "the server is read-only"),
        (1317, Rerun, false, false, "somebody killed the statement"),
        (1792, Rerun, false, false, "the transaction is read-only"),
        (1836, Rerun, false, false, "the server is in read-only mode"),
        (1927, Rerun, true, false, "somebody killed the connection"),
        (1969, LockWait, false, true, "longer than MariaDB allows a statement"),
        (3024, LockWait, false, true, "longer than MySQL allows a statement"),
        (3169, Rerun, true, false, "somebody killed the session"),
        (3572, LockWait, false, false, "the row is held, and nobody waits"),
        (4031, Rerun, true, false, "the session stood still for too long"),
        (1064, Permanent, false, false, "nonsense"),
        (1406, Permanent, false, false, "too long for its column"),
        (4025, Permanent, false, false, "a check is violated"),
    ];
    let url = server("DATABASE_URL");
    let mut conn = Db::new(&url, 1).unwrap().connect().await.unwrap();
    for (number, trouble, is_lost, is_late, what) in table {
        let signal = format!("signal sqlstate '45000' set mysql_errno = {number}");
        let signalled = sqlx::raw_sql(sqlx::AssertSqlSafe(signal)).execute(&mut conn).await;
        let error = Error::from(signalled.unwrap_err());
        let read = (error.trouble(), error.connection_is_lost(), error.is_late());
        assert_eq!(read, (trouble, is_lost, is_late), "{number}: {what}");
    }
}

#[tokio::test]
async fn whether_the_schema_is_current_is_not_waited_for_for_ever() {
    with_database(async |db| {
        assert!(migrations_are_current(&db).await.unwrap());
        let mut other = db.connect().await.unwrap();
        let lock = sqlx::raw_sql("lock tables _sqlx_migrations write");
        lock.execute(&mut other).await.unwrap();
        assert!(matches!(migrations_are_current(&db).await, Err(Error::TimedOut)));
    })
    .await;
}

async fn connection_id(conn: &mut MySqlConnection) -> Result<u64> {
    let id = sqlx::query_scalar("select cast(connection_id() as unsigned)");
    Ok(id.fetch_one(conn).await?)
}

#[tokio::test]
async fn a_reading_on_a_connection_that_was_lost_is_done_on_another() {
    with_database(async |db| {
        let id = || db.read(|conn| Box::pin(connection_id(conn)));
        let first = id().await.unwrap();
        let mut stranger = db.connect().await.unwrap();
        let kill = sqlx::AssertSqlSafe(format!("kill {first}"));
        sqlx::raw_sql(kill).execute(&mut stranger).await.unwrap();
        assert_ne!(id().await.unwrap(), first);
    })
    .await;
}

#[tokio::test]
async fn a_reading_that_is_never_answered_gives_its_connection_up() {
    with_pool_of(1, async |db| {
        let silent = db.read(|conn| {
            Box::pin(async {
                sqlx::raw_sql("do sleep(60)").execute(conn).await?;
                Ok(())
            })
        });
        assert!(matches!(silent.await, Err(Error::TimedOut)));
        db.read(|conn| Box::pin(connection_id(conn))).await.unwrap();
    })
    .await;
}

/// Whether the server still has this session.
async fn lives(db: &Db, id: u64) -> bool {
    let count = "select cast(count(*) as signed) from information_schema.processlist where id = ?";
    // MySQL refuses while a session sends bytes that are no text.
    let count = sqlx::query_scalar(count).bind(id).fetch_one(db.pool()).await;
    count.map_or(true, |count: i64| count > 0)
}

#[tokio::test]
async fn a_begin_whose_answer_is_lost_is_begun_again_and_leaves_nothing_open() {
    with_database(async |direct| {
        sqlx::raw_sql("create table begun (id bigint primary key) engine = innodb")
            .execute(direct.pool())
            .await
            .unwrap();
        let schema = sqlx::query_scalar("select database()");
        let schema: String = schema.fetch_one(direct.pool()).await.unwrap();
        let url = server("DATABASE_URL");
        let proxy = Proxy::before(&url).await;
        let db = Db::new(&proxy.url(&url), 1).unwrap();
        let first = db.read(|conn| Box::pin(connection_id(conn))).await.unwrap();
        // Otherwise it is the pool's own question whose answer is lost.
        within(10, "the connection is given back", async || db.pool().num_idle() == 1).await;
        // Only the connection that is there is deaf from here on.
        proxy.set(Cable::Deaf);
        proxy.set(Cable::Whole);
        let written = db.write(move |tx| {
            let insert = format!("insert into {schema}.begun (id) values (1)");
            Box::pin(async move {
                sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut **tx).await?;
                connection_id(tx).await
            })
        });
        // It gives the first connection ten seconds.
        let written = timeout(Duration::from_secs(40), written).await.expect("it is written");
        assert_ne!(written.unwrap(), first);
        let is_gone = async || !lives(&direct, first).await;
        within(10, "the session that began is gone", is_gone).await;
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_link_that_goes_silent_after_an_answer_costs_no_place_in_the_pool() {
    let url = server("DATABASE_URL");
    let proxy = Arc::new(Proxy::before(&url).await);
    let db = Db::new(&proxy.url(&url), 1).unwrap();
    let answered = {
        let proxy = Arc::clone(&proxy);
        db.read(move |conn| {
            let proxy = Arc::clone(&proxy);
            Box::pin(async move {
                let id = connection_id(conn).await?;
                proxy.set(Cable::Silent);
                Ok(id)
            })
        })
    };
    answered.await.unwrap();
    proxy.set(Cable::Whole);
    let again = async || db.read(|conn| Box::pin(connection_id(conn))).await.is_ok();
    within(10, "the next reading is answered", again).await;
    db.close().await;
}

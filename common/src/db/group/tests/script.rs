//! A unit whose members say what becomes of them, and the way in to its lanes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::MySqlConnection;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use crate::db::batch::Locks;
use crate::db::group::{GroupCommit, Limits, Refused, Slots, Unit, Weight};
use crate::db::scratch::with_database;
use crate::db::{Db, Error, Result, Tx};

/// What a member does in its batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    /// Counts this number; its answer is the number.
    Count(i64),
    /// As `Count`, after everybody is there: [`Script::gate`] opens it.
    Gated(i64),
    /// Counts only in a batch that it leads.
    Lead(i64),
    /// Leaves its slot empty.
    Nothing,
    Panic,
    /// A statement that fails each time.
    Fail,
    /// Locks the row and counts; with skipped rows it is put off.
    Lock(i64),
    /// Changes the row, and waits for it even where rows are skipped.
    Insist(i64),
    /// Locks row 1, says so, then row 2.
    Both,
    /// Ends its own connection just before the commit, the first time.
    Sever(i64),
    /// Counts and ends its own connection just before the commit, the first time; then it does this.
    SeverThen(Later),
    /// Takes far longer than a unit may, the first time.
    Linger,
    /// Takes far longer than a unit may in every batch that is larger than one.
    Crowded(i64),
    /// Loses the connection in every batch that is larger than one.
    Burdened(i64),
    /// Ends its own connection just before the commit, the first time; then each run loses it earlier.
    Vanish(i64),
}

/// What becomes of a member after its batch may have been committed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Later {
    /// Its slot is left empty, as when a row that it needs is held.
    Nothing,
    /// It is deferred while it is not alone, and then left empty.
    Defer,
    /// A statement fails each time.
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Number(i64),
    PutOff,
    FailedAlone,
}

#[derive(Default)]
pub(super) struct Script {
    pub(super) batches: AtomicUsize,
    pub(super) largest: AtomicUsize,
    pub(super) runs: AtomicUsize,
    pub(super) locked: Notify,
    pub(super) gate: Option<Semaphore>,
    pub(super) connections: std::sync::Mutex<BTreeSet<u64>>,
    pub(super) killer: Option<Db>,
}

/// The same deeds, by a unit whose batches run again after an unknown commit, or do not.
pub(super) struct Scripted<const RERUN: bool>(Arc<Script>);

impl<const RERUN: bool> Unit for Scripted<RERUN> {
    type Member = Deed;
    type Answer = Told;
    const NAME: &'static str = "test";
    const RERUN_UNKNOWN: bool = RERUN;

    fn weight(&self, _: &Deed) -> Weight {
        Weight { lines: 1, bytes: 1 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&Deed],
        locks: Locks,
        slots: &mut Slots<Told>,
    ) -> Result<()> {
        let script = &self.0;
        script.batches.fetch_add(1, Ordering::Relaxed);
        script.largest.fetch_max(members.len(), Ordering::Relaxed);
        let id = connection(tx).await?;
        script.connections.lock().expect("no panic holds it").insert(id);
        for (place, deed) in members.iter().enumerate() {
            match deed {
                Deed::Lead(_) if place > 0 => slots.defer(place),
                Deed::Count(number) | Deed::Lead(number) => {
                    slots.fill(place, count(tx, *number).await?);
                }
                Deed::Gated(number) => {
                    let gate = script.gate.as_ref().expect("a gated script has one");
                    gate.acquire().await.expect("it is never closed").forget();
                    slots.fill(place, count(tx, *number).await?);
                }
                Deed::Nothing => {}
                Deed::Panic => panic!("on purpose"),
                Deed::Fail => fail(tx).await?,
                Deed::Lock(row) => slots.fill(place, lock(tx, *row, locks).await?),
                Deed::Insist(row) => {
                    touch(tx, *row).await?;
                    slots.fill(place, Told::Number(*row));
                }
                Deed::Both => {
                    touch(tx, 1).await?;
                    script.locked.notify_one();
                    touch(tx, 2).await?;
                    slots.fill(place, Told::Number(2));
                }
                Deed::Sever(number) => {
                    let told = count(tx, *number).await?;
                    slots.fill(place, told);
                    if script.runs.fetch_add(1, Ordering::Relaxed) == 0 {
                        self.sever(id).await?;
                    }
                }
                Deed::SeverThen(later) => {
                    if script.runs.fetch_add(1, Ordering::Relaxed) == 0 {
                        slots.fill(place, count(tx, 0).await?);
                        self.sever(id).await?;
                        continue;
                    }
                    match later {
                        Later::Defer if place > 0 => slots.defer(place),
                        Later::Defer | Later::Nothing => {}
                        Later::Fail => fail(tx).await?,
                    }
                }
                Deed::Crowded(number) => {
                    slots.fill(place, count(tx, *number).await?);
                    if members.len() > 1 {
                        sqlx::query("do sleep(5)").execute(&mut **tx).await?;
                    }
                }
                Deed::Burdened(number) => {
                    if members.len() > 1 {
                        self.sever(id).await?;
                    }
                    slots.fill(place, count(tx, *number).await?);
                }
                Deed::Vanish(number) => {
                    let is_first = script.runs.fetch_add(1, Ordering::Relaxed) == 0;
                    slots.fill(place, count(tx, *number).await?);
                    self.sever(id).await?;
                    if !is_first {
                        touch(tx, 1).await?;
                    }
                }
                Deed::Linger => {
                    if script.runs.fetch_add(1, Ordering::Relaxed) == 0 {
                        sqlx::query("do sleep(5)").execute(&mut **tx).await?;
                    }
                    slots.fill(place, Told::Number(0));
                }
            }
        }
        Ok(())
    }

    async fn failed_alone(
        &self,
        _: &mut MySqlConnection,
        member: &Deed,
        _: &Error,
    ) -> Result<Option<Told>> {
        Ok(matches!(member, Deed::Fail).then_some(Told::FailedAlone))
    }
}

impl<const RERUN: bool> Scripted<RERUN> {
    async fn sever(&self, id: u64) -> Result<()> {
        let killer = self.0.killer.as_ref().expect("a severing script has one");
        let kill = sqlx::AssertSqlSafe(format!("kill {id}"));
        sqlx::raw_sql(kill).execute(killer.pool()).await?;
        Ok(())
    }
}

pub(super) async fn connection(tx: &mut Tx<'_>) -> Result<u64> {
    let id = sqlx::query_scalar("select cast(connection_id() as unsigned)");
    Ok(id.fetch_one(&mut **tx).await?)
}

pub(super) async fn count(tx: &mut Tx<'_>, number: i64) -> Result<Told> {
    sqlx::query("insert into counted (n) values (?)").bind(number).execute(&mut **tx).await?;
    Ok(Told::Number(number))
}

async fn fail(tx: &mut Tx<'_>) -> Result<()> {
    sqlx::query("insert into nowhere (n) values (1)").execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn touch(tx: &mut Tx<'_>, row: i64) -> Result<()> {
    sqlx::query("update held set n = n + 1 where id = ?").bind(row).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn lock(tx: &mut Tx<'_>, row: i64, locks: Locks) -> Result<Told> {
    let sql = locks.choose(
        "select id from held where id = ? for update",
        "select id from held where id = ? for update skip locked",
    );
    let row: Option<i64> = sqlx::query_scalar(sql).bind(row).fetch_optional(&mut **tx).await?;
    Ok(row.map_or(Told::PutOff, Told::Number))
}

pub(super) type Answered = std::result::Result<Told, Refused>;

pub(super) async fn with_tables(test: impl AsyncFnOnce(Db)) {
    with_database(async |db| {
        for sql in [
            "create table counted (n bigint not null) engine = innodb",
            "create table held (id bigint primary key, n bigint not null) engine = innodb",
            "insert into held select a.n + 10 * b.n, 0 from \
             (select 1 as n union all select 2 union all select 3 union all select 4) a, \
             (select 0 as n union all select 1 union all select 2 union all select 3) b",
        ] {
            sqlx::raw_sql(sql).execute(db.pool()).await.unwrap();
        }
        test(db).await;
    })
    .await;
}

pub(super) fn limits() -> Limits {
    Limits::new(1, 200, Duration::from_secs(10))
}

/// A way in to one unit, as a closure's environment.
pub(super) struct Door<const RERUN: bool>(
    pub(super) GroupCommit<Scripted<RERUN>>,
    pub(super) Arc<Script>,
);

impl<const RERUN: bool> Door<RERUN> {
    pub(super) fn open(db: &Db, script: Script, limits: Limits) -> Self {
        let script = Arc::new(script);
        let unit = Scripted(Arc::clone(&script));
        Self(GroupCommit::start(db, unit, limits, &TaskTracker::new()), script)
    }

    pub(super) async fn submit(&self, deed: Deed) -> Answered {
        self.0.submit(deed, Duration::from_secs(30)).await
    }
}

pub(super) async fn counted(db: &Db) -> i64 {
    sqlx::query_scalar("select count(*) from counted").fetch_one(db.pool()).await.unwrap()
}

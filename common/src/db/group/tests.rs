//! The primitive against a real database: each line of its tables of promises, broken on purpose.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use super::*;
use crate::db::scratch::with_database;

/// What a member does in its batch.
#[derive(Debug, Clone, Copy)]
enum Deed {
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
    /// Locks row 1, says so, then row 2.
    Both,
    /// Ends its own connection just before the commit, the first time.
    Sever(i64),
    /// Takes far longer than a unit may, the first time.
    Linger,
    /// Takes far longer than a unit may in every batch that is larger than one.
    Crowded(i64),
    /// Loses the connection in every batch that is larger than one.
    Burdened(i64),
    /// Ends its own connection just before the commit, the first time; then each run loses it earlier.
    Vanish(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Number(i64),
    PutOff,
    FailedAlone,
}

#[derive(Default)]
struct Script {
    batches: AtomicUsize,
    largest: AtomicUsize,
    runs: AtomicUsize,
    locked: Notify,
    gate: Option<Semaphore>,
    connections: std::sync::Mutex<BTreeSet<u64>>,
    killer: Option<Db>,
}

/// The same deeds, by a unit whose batches run again after an unknown commit, or do not.
struct Scripted<const RERUN: bool>(Arc<Script>);

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
                Deed::Fail => {
                    sqlx::query("insert into nowhere (n) values (1)").execute(&mut **tx).await?;
                }
                Deed::Lock(row) => slots.fill(place, lock(tx, *row, locks).await?),
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

async fn connection(tx: &mut Tx<'_>) -> Result<u64> {
    let id = sqlx::query_scalar("select cast(connection_id() as unsigned)");
    Ok(id.fetch_one(&mut **tx).await?)
}

async fn count(tx: &mut Tx<'_>, number: i64) -> Result<Told> {
    sqlx::query("insert into counted (n) values (?)").bind(number).execute(&mut **tx).await?;
    Ok(Told::Number(number))
}

async fn touch(tx: &mut Tx<'_>, row: i64) -> Result<()> {
    sqlx::query("update held set n = n + 1 where id = ?").bind(row).execute(&mut **tx).await?;
    Ok(())
}

async fn lock(tx: &mut Tx<'_>, row: i64, locks: Locks) -> Result<Told> {
    let sql = locks.choose(
        "select id from held where id = ? for update",
        "select id from held where id = ? for update skip locked",
    );
    let row: Option<i64> = sqlx::query_scalar(sql).bind(row).fetch_optional(&mut **tx).await?;
    Ok(row.map_or(Told::PutOff, Told::Number))
}

type Answered = std::result::Result<Told, Refused>;

async fn with_tables(test: impl AsyncFnOnce(Db)) {
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

fn limits() -> Limits {
    Limits::new(1, 200, Duration::from_secs(10))
}

/// A way in to one unit, as a closure's environment.
struct Door<const RERUN: bool>(GroupCommit<Scripted<RERUN>>, Arc<Script>);

impl<const RERUN: bool> Door<RERUN> {
    fn open(db: &Db, script: Script, limits: Limits) -> Self {
        let script = Arc::new(script);
        let unit = Scripted(Arc::clone(&script));
        Self(GroupCommit::start(db, unit, limits, &TaskTracker::new()), script)
    }

    async fn submit(&self, deed: Deed) -> Answered {
        self.0.submit(deed, Duration::from_secs(30)).await
    }
}

async fn counted(db: &Db) -> i64 {
    sqlx::query_scalar("select count(*) from counted").fetch_one(db.pool()).await.unwrap()
}

#[tokio::test]
async fn each_member_gets_its_own_answer_and_batches_keep_their_limit() {
    with_tables(async |db| {
        let limits = Limits { lanes: 3, members: 40, ..limits() };
        let door = Door::<true>::open(&db, Script::default(), limits);
        let answers = join_all((0..500).map(|n| door.submit(Deed::Count(n)))).await;
        assert!(answers.iter().zip(0..).all(|(answer, n)| *answer == Ok(Told::Number(n))));
        assert_eq!(counted(&db).await, 500);
        let (batches, largest) = (&door.1.batches, door.1.largest.load(Ordering::Relaxed));
        assert!((13..100).contains(&batches.load(Ordering::Relaxed)), "{batches:?}");
        assert_eq!(largest, 40);
    })
    .await;
}

#[tokio::test]
async fn a_slot_left_empty_is_an_error_of_that_member_alone() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let deeds = [Deed::Count(1), Deed::Nothing, Deed::Count(3)];
        let answers = join_all(deeds.map(|deed| door.submit(deed))).await;
        assert_eq!(answers, [Ok(Told::Number(1)), Err(Refused::Unanswered), Ok(Told::Number(3))]);
    })
    .await;
}

#[tokio::test]
async fn a_deferred_member_is_done_in_a_transaction_of_its_own_turn() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let answers = join_all((0..5).map(|n| door.submit(Deed::Lead(n)))).await;
        assert!(answers.iter().zip(0..).all(|(answer, n)| *answer == Ok(Told::Number(n))));
        assert_eq!((counted(&db).await, door.1.batches.load(Ordering::Relaxed)), (5, 5));
    })
    .await;
}

#[tokio::test]
async fn a_panic_and_a_failure_stay_with_their_members_and_the_lane_goes_on() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let mut deeds: Vec<_> = (0..20).map(Deed::Count).collect();
        deeds[7] = Deed::Panic;
        deeds[13] = Deed::Fail;
        let answers = join_all(deeds.into_iter().map(|deed| door.submit(deed))).await;
        for (answer, n) in answers.into_iter().zip(0..) {
            let expected = match n {
                7 => Err(Refused::Failed),
                13 => Ok(Told::FailedAlone),
                n => Ok(Told::Number(n)),
            };
            assert_eq!(answer, expected, "{n}");
        }
        assert_eq!(counted(&db).await, 18, "nothing of a batch that failed is left");
        assert_eq!(door.submit(Deed::Count(99)).await, Ok(Told::Number(99)));
    })
    .await;
}

#[tokio::test]
async fn a_row_that_somebody_holds_puts_off_its_own_member_alone() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let mut other = db.connect().await.unwrap();
        let mut holding = other.begin().await.unwrap();
        touch(&mut holding, 2).await.unwrap();
        let deeds = [Deed::Lock(1), Deed::Lock(2), Deed::Count(3)];
        let answers = join_all(deeds.map(|deed| door.submit(deed))).await;
        assert_eq!(answers, [Ok(Told::Number(1)), Ok(Told::PutOff), Ok(Told::Number(3))]);
        assert_eq!(counted(&db).await, 1);
        holding.rollback().await.unwrap();
        assert_eq!(door.submit(Deed::Lock(2)).await, Ok(Told::Number(2)));
    })
    .await;
}

#[tokio::test]
async fn a_deadlock_runs_the_whole_batch_again() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let mut other = db.connect().await.unwrap();
        // The other has changed more rows, so that the server ends the batch and not the other.
        let mut holding = other.begin().await.unwrap();
        sqlx::query("update held set n = n + 1 where id >= 2")
            .execute(&mut *holding)
            .await
            .unwrap();
        let (answers, ()) = tokio::join!(
            join_all([Deed::Count(7), Deed::Both].map(|deed| door.submit(deed))),
            async {
                door.1.locked.notified().await;
                touch(&mut holding, 1).await.unwrap();
                holding.commit().await.unwrap();
            }
        );
        assert_eq!(answers, [Ok(Told::Number(7)), Ok(Told::Number(2))]);
        assert!(door.1.batches.load(Ordering::Relaxed) >= 2);
        assert_eq!(counted(&db).await, 1, "the first run was undone");
        let sum: i64 = sqlx::query_scalar("select cast(sum(n) as signed) from held where id <= 2")
            .fetch_one(db.pool())
            .await
            .unwrap();
        assert_eq!(sum, 4);
    })
    .await;
}

#[tokio::test]
async fn after_an_unknown_commit_a_batch_runs_again_or_its_members_are_told() {
    with_tables(async |db| {
        let script = || Script { killer: Some(db.clone()), ..Script::default() };
        let again = Door::<true>::open(&db, script(), limits());
        assert_eq!(again.submit(Deed::Sever(1)).await, Ok(Told::Number(1)));
        assert_eq!(again.1.connections.lock().unwrap().len(), 2, "on a connection of its own");
        let told = Door::<false>::open(&db, script(), limits());
        assert_eq!(told.submit(Deed::Sever(2)).await, Err(Refused::OutcomeUnknown));
        assert_eq!(told.1.runs.load(Ordering::Relaxed), 1);
        assert_eq!(told.submit(Deed::Sever(3)).await, Ok(Told::Number(3)));
    })
    .await;
}

#[tokio::test]
async fn a_unit_past_its_limit_loses_its_connection() {
    with_tables(async |db| {
        let limits = Limits { unit: Duration::from_millis(500), ..limits() };
        let door = Door::<true>::open(&db, Script::default(), limits);
        assert_eq!(door.submit(Deed::Linger).await, Ok(Told::Number(0)));
        assert_eq!(door.1.connections.lock().unwrap().len(), 2);
        assert_eq!(door.1.runs.load(Ordering::Relaxed), 2);
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_its_limit_or_its_connection_is_halved() {
    with_tables(async |db| {
        let limits = Limits { unit: Duration::from_millis(500), ..limits() };
        let door = Door::<true>::open(&db, Script::default(), limits);
        let answers = join_all((0..4).map(|n| door.submit(Deed::Crowded(n)))).await;
        assert!(answers.iter().zip(0..).all(|(answer, n)| *answer == Ok(Told::Number(n))));
        let script = Script { killer: Some(db.clone()), ..Script::default() };
        let door = Door::<true>::open(&db, script, limits);
        let answers = join_all((4..8).map(|n| door.submit(Deed::Burdened(n)))).await;
        assert!(answers.iter().zip(4..).all(|(answer, n)| *answer == Ok(Told::Number(n))));
        assert_eq!(counted(&db).await, 8);
    })
    .await;
}

#[tokio::test]
async fn who_may_have_been_committed_is_not_told_that_nothing_was_done() {
    with_tables(async |db| {
        let script = Script { killer: Some(db.clone()), ..Script::default() };
        let limits = Limits { patience: Duration::from_secs(2), ..limits() };
        let door = Door::<true>::open(&db, script, limits);
        assert_eq!(door.submit(Deed::Vanish(1)).await, Err(Refused::OutcomeUnknown));
        assert!(door.1.runs.load(Ordering::Relaxed) > 1);
    })
    .await;
}

#[tokio::test]
async fn what_waits_too_long_or_finds_no_room_is_refused_before_anything_is_done() {
    with_tables(async |db| {
        let script = Script { gate: Some(Semaphore::new(0)), ..Script::default() };
        let door = Door::<true>::open(&db, script, Limits { queue: 2, members: 1, ..limits() });
        let first = door.submit(Deed::Gated(1));
        let hurried = door.0.submit(Deed::Count(2), Duration::ZERO);
        let patient = door.submit(Deed::Count(3));
        let taken = async {
            // The first is in its batch when it stands at the gate; then two fill the queue.
            while door.1.batches.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        };
        let (first, (hurried, patient, excess)) = tokio::join!(first, async {
            taken.await;
            let gate = door.1.gate.as_ref().unwrap();
            let excess = async {
                let excess = door.submit(Deed::Count(4)).await;
                gate.add_permits(1);
                excess
            };
            tokio::join!(hurried, patient, excess)
        });
        assert_eq!(first, Ok(Told::Number(1)));
        assert_eq!(hurried, Err(Refused::Expired));
        assert_eq!(patient, Ok(Told::Number(3)));
        assert_eq!(excess, Err(Refused::Overloaded));
        assert_eq!(counted(&db).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable_once_the_patience_ends() {
    let db = Db::new("mysql://nobody:nobody@127.0.0.1:1/nowhere", 1).unwrap();
    let limits = Limits { patience: Duration::from_millis(200), ..limits() };
    let door = Door::<true>::open(&db, Script::default(), limits);
    let answers = join_all([1, 2].map(|n| door.submit(Deed::Count(n)))).await;
    assert_eq!(answers, [Err(Refused::Unavailable), Err(Refused::Unavailable)]);
}

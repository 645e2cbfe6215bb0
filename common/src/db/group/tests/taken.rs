//! A unique key that somebody else took first.

use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use tokio_util::task::TaskTracker;

use super::*;
use crate::db::scratch::with_database;

/// Meets a taken key in its first run, as when another process was first; then it reads it.
#[derive(Default)]
struct Taking(Mutex<Vec<usize>>);

impl Unit for Arc<Taking> {
    type Member = i64;
    type Answer = i64;
    const NAME: &'static str = "taking";
    const RERUN_DUPLICATE: bool = true;

    fn weight(&self, _: &i64) -> Weight {
        Weight { lines: 1, bytes: 1 }
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        members: &[&i64],
        _: Locks,
        slots: &mut Slots<i64>,
    ) -> Result<()> {
        let run = {
            let mut runs = self.0.lock().expect("no panic holds it");
            runs.push(members.len());
            runs.len()
        };
        for (place, number) in members.iter().enumerate() {
            sqlx::query("insert into kept (n) values (?)").bind(number).execute(&mut **tx).await?;
            slots.fill(place, **number);
        }
        if run == 1 {
            sqlx::query("insert into kept (n) values (1)").execute(&mut **tx).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_taken_key_runs_the_whole_batch_again_and_splits_nothing() {
    with_database(async |db| {
        sqlx::raw_sql("create table kept (n bigint primary key) engine = innodb")
            .execute(db.pool())
            .await
            .unwrap();
        let unit = Arc::new(Taking::default());
        let limits = Limits::new(1, 200, Duration::from_secs(10));
        let door = GroupCommit::start(&db, Arc::clone(&unit), limits, &TaskTracker::new());
        let answers = join_all((1..=8).map(|n| door.submit(n, Duration::from_secs(30)))).await;
        assert_eq!(answers, (1..=8).map(Ok).collect::<Vec<_>>());
        assert_eq!(*unit.0.lock().unwrap(), [8, 8]);
    })
    .await;
}

/// Which units say so: a cart's change is relative, everything else answers from what it reads.
#[test]
fn only_cart_writes_are_not_run_again_after_an_unknown_commit() {
    use crate::cart::CartWrites;
    use crate::checkout::Accepts;
    const { assert!(!CartWrites::RERUN_UNKNOWN && !CartWrites::RERUN_DUPLICATE) }
    const { assert!(Accepts::RERUN_UNKNOWN && Accepts::RERUN_DUPLICATE) }
}

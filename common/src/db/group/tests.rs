//! The primitive against a real database: each line of its tables of promises, broken on purpose.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use sqlx::Connection as _;
use tokio::sync::Semaphore;

use super::*;
use script::{Deed, Door, Later, Script, Told, counted, limits, touch, with_tables};

mod script;
mod taken;

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
async fn who_cannot_do_without_a_held_row_is_refused_alone() {
    with_tables(async |db| {
        let door = Door::<true>::open(&db, Script::default(), limits());
        let mut other = db.connect().await.unwrap();
        let mut holding = other.begin().await.unwrap();
        touch(&mut holding, 2).await.unwrap();
        let mut deeds: Vec<_> = (0..8).map(Deed::Count).collect();
        deeds[3] = Deed::Insist(2);
        let answers = join_all(deeds.into_iter().map(|deed| door.submit(deed))).await;
        for (answer, n) in answers.into_iter().zip(0..) {
            let refused = Err(Refused::Unavailable);
            assert_eq!(answer, if n == 3 { refused } else { Ok(Told::Number(n)) });
        }
        assert_eq!(counted(&db).await, 7);
        holding.rollback().await.unwrap();
        assert_eq!(door.submit(Deed::Insist(2)).await, Ok(Told::Number(2)));
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
        let limits = Limits { unit: Duration::from_secs(2), ..limits() };
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
        let limits = Limits { unit: Duration::from_secs(2), ..limits() };
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
        let limits = Limits { patience: Duration::from_secs(5), ..limits() };
        let door = Door::<true>::open(&db, script, limits);
        assert_eq!(door.submit(Deed::Vanish(1)).await, Err(Refused::OutcomeUnknown));
        assert!(door.1.runs.load(Ordering::Relaxed) > 1);
    })
    .await;
}

#[tokio::test]
async fn whatever_a_later_run_meets_who_may_have_been_committed_is_told_that_it_is_unknown() {
    with_tables(async |db| {
        for later in [Later::Nothing, Later::Defer, Later::Fail] {
            let script = Script { killer: Some(db.clone()), ..Script::default() };
            let door = Door::<true>::open(&db, script, limits());
            let deeds = [Deed::Count(1), Deed::SeverThen(later)];
            let answers = join_all(deeds.map(|deed| door.submit(deed))).await;
            let expected = [Ok(Told::Number(1)), Err(Refused::OutcomeUnknown)];
            assert_eq!(answers, expected, "{later:?}");
        }
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

//! What the gateway said is written from inside: what a held row puts off, what cannot be written, and whose call
//! without a verdict counts.

use std::time::Duration;

use ordermill_common::clock;
use ordermill_common::db::Db;
use ordermill_common::db::group::{GroupCommit, Refused};
use ordermill_common::id::{OrderId, OwnerId};
use ordermill_common::order::Status;
use ordermill_tests::database::{door_to, fresh_name, migrated};
use ordermill_worker::decide::{Call, CallOutcome};
use ordermill_worker::settle::{Report, Settle, Settled};

use crate::faults::hold;
use crate::rooms::{hold_cart, holder, lane, reserved, shelved};

/// Brings what the gateway said to be written.
async fn report(
    settle: &GroupCommit<Settle>,
    order_id: OrderId,
    outcome: CallOutcome,
) -> Result<Settled, Refused> {
    let report = Report { order_id, outcome, at: clock::now() };
    settle.submit(report, Duration::from_secs(30)).await
}

fn declined() -> CallOutcome {
    CallOutcome::Declined("insufficient_funds".to_owned())
}

fn silence() -> CallOutcome {
    CallOutcome::NoVerdict(Call::Charge, "timed_out".to_owned())
}

#[tokio::test]
async fn a_verdict_that_a_held_row_keeps_from_being_written_is_asked_for_again_soon() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let mug = shelved(&db, 5).await;
    let holder = holder();
    let order_id = reserved(&db, holder, mug).await;
    let woken = sqlx::query("update payments set wakes = 5").execute(db.pool()).await;
    woken.expect("the statement is right");
    let holding = hold(&db, mug).await;
    let settle = lane(&db, Settle { holder });

    // A declined order gives its stock back, which it cannot now.
    assert_eq!(report(&settle, order_id, declined()).await, Ok(Settled::PutOff));

    let (is_leased, seconds, wakes): (bool, i64, i32) = sqlx::query_as(
        "select owner is not null, timestampdiff(second, now(6), wake_at), wakes \
         from payments \
         where order_id = ?",
    )
    .bind(order_id)
    .fetch_one(db.pool())
    .await
    .expect("the payment is there");
    assert!(!is_leased && seconds < 2, "{is_leased} {seconds}");
    // Whoever came round is not lost: the next message that is may cost half a minute, not ten.
    assert_eq!(wakes, 0);
    holding.rollback().await.expect("nothing was changed");
    let settled = report(&settle, order_id, declined()).await;
    assert_eq!(settled, Ok(Settled::Done(Status::PaymentFailed)));
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_cart_that_somebody_holds_puts_off_its_own_order_alone() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let (mug, holder) = (shelved(&db, 5).await, holder());
    let (refused, paid) = (reserved(&db, holder, mug).await, reserved(&db, holder, mug).await);
    let holding = hold_cart(&db, refused).await;
    let settle = lane(&db, Settle { holder });

    let (put_off, settled) = tokio::join!(
        report(&settle, refused, declined()),
        report(&settle, paid, CallOutcome::Captured)
    );

    assert_eq!(settled, Ok(Settled::Done(Status::Paid)));
    assert_eq!(put_off, Ok(Settled::PutOff));
    holding.rollback().await.expect("nothing was changed");
    let settled = report(&settle, refused, declined()).await;
    assert_eq!(settled, Ok(Settled::Done(Status::PaymentFailed)));
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn an_end_that_cannot_be_written_leaves_the_lines_out_of_the_cart() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let holder = holder();
    let mug = shelved(&db, 5).await;
    let order_id = reserved(&db, holder, mug).await;
    sqlx::query("delete from carts").execute(db.pool()).await.expect("the statement is right");
    let settle = lane(&db, Settle { holder });

    // The lines of a declined order go back into a cart, which is not there.
    for _ in 0..5 {
        assert_eq!(report(&settle, order_id, declined()).await, Ok(Settled::PutOff));
    }

    let told = "select attempts, failures, (select count(*) from dead_letters) from payments";
    let told: (i32, i32, i64) =
        sqlx::query_as(told).fetch_one(db.pool()).await.expect("the payment is there");
    assert_eq!(told, (0, 5, 1));
    assert_eq!(
        report(&settle, order_id, declined()).await,
        Ok(Settled::Done(Status::PaymentFailed))
    );
    let left = "select (select available from stock), (select count(*) from dead_letters)";
    let left: (i64, i64) =
        sqlx::query_as(left).fetch_one(db.pool()).await.expect("the product is there");
    assert_eq!(left, (5, 1));
    db.close().await;
    database.remove().await;
}

/// What is known of the one payment: calls without a verdict, and who holds its lease.
async fn calls(db: &Db) -> (i32, Option<OwnerId>) {
    let calls = "select attempts, owner from payments";
    sqlx::query_as(calls).fetch_one(db.pool()).await.expect("the payment is there")
}

async fn hand_to(db: &Db, owner: OwnerId) {
    let lease = "update payments set owner = ?, lease_until = now(6) + interval 20 second";
    sqlx::query(lease).bind(owner).execute(db.pool()).await.expect("the statement is right");
}

#[tokio::test]
async fn a_silent_call_is_counted_once_and_only_by_who_holds_the_lease() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let (holder, other) = (holder(), OwnerId::mint());
    let order_id = reserved(&db, holder, shelved(&db, 5).await).await;
    let settle = lane(&db, Settle { holder });
    let report = |outcome| report(&settle, order_id, outcome);

    // A commit whose answer is lost is written once more.
    for _ in 0..2 {
        assert_eq!(report(silence()).await, Ok(Settled::Done(Status::Reserved)));
    }

    assert_eq!(calls(&db).await, (1, None));
    hand_to(&db, other).await;
    for late in [silence(), CallOutcome::NotCalled] {
        assert_eq!(report(late).await, Ok(Settled::Done(Status::Reserved)));
        assert_eq!(calls(&db).await, (1, Some(other)));
    }
    assert_eq!(report(CallOutcome::Captured).await, Ok(Settled::Done(Status::Paid)));
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn an_order_that_waited_for_its_turn_is_not_given_up_at_its_first_silent_call() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let holder = holder();
    let order_id = reserved(&db, holder, shelved(&db, 5).await).await;
    let settle = lane(&db, Settle { holder });
    let silent = || report(&settle, order_id, silence());
    let age = async |what| {
        sqlx::query(what).execute(db.pool()).await.expect("the statement is right");
        hand_to(&db, holder.owner).await;
    };

    age("update payments set created_at = now(6) - interval 1 hour").await;
    assert_eq!(silent().await, Ok(Settled::Done(Status::Reserved)));
    age("update payment_attempts set at = now(6) - interval 20 second").await;
    assert_eq!(silent().await, Ok(Settled::Done(Status::Reserved)));
    age("update payment_attempts set at = now(6) - interval 31 second where attempt = 1").await;

    assert!(matches!(silent().await, Ok(Settled::Void(_))));
    db.close().await;
    database.remove().await;
}

//! The batch functions of cancellations against a real database.

use std::time::Duration;

use sqlx::Connection as _;

use super::{Outcome, store};
use crate::db::Db;
use crate::db::scratch::with_database;
use crate::id::OrderId;
use crate::trace::RequestId;

async fn asked(db: &Db) -> OrderId {
    let order = OrderId::mint();
    sqlx::query(
        "insert into cancellations (order_id, requested_by, reason, request_id, requested_at, wake_at) \
         values (?, 'buyer', '\u{1f622}', ?, now(6), now(6))",
    )
    .bind(order)
    .bind(RequestId::mint().as_str())
    .execute(db.pool())
    .await
    .unwrap();
    order
}

#[tokio::test]
async fn a_cancellation_is_decided_once_and_woken_until_then() {
    with_database(async |db| {
        let ids = [asked(&db).await, asked(&db).await, asked(&db).await];
        let mut one = db.connect().await.unwrap();
        let mut tx = one.begin().await.unwrap();
        assert_eq!(store::due(&mut tx, 10).await.unwrap().len(), 3);
        assert!(store::due(&mut tx, 10).await.unwrap().is_empty(), "their wake-ups were moved on");
        tx.commit().await.unwrap();
        let mut tx = one.begin().await.unwrap();
        let read = store::read(&mut tx, &ids).await.unwrap();
        assert_eq!(read.len(), 3);
        assert!(read.iter().any(|row| row.reason.as_deref() == Some("\u{1f622}")));
        let decisions = [(ids[1], Outcome::Refused), (ids[0], Outcome::Cancelled)];
        store::decide(&mut tx, &decisions).await.unwrap();
        assert!(store::decide(&mut tx, &decisions[..1]).await.is_err(), "once only");
        store::put_off(&mut tx, &ids, Duration::ZERO).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = one.begin().await.unwrap();
        let due = store::due(&mut tx, 10).await.unwrap();
        assert_eq!(due.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids[2..]);
        let outcomes: Vec<_> =
            store::read(&mut tx, &ids).await.unwrap().iter().map(|c| c.outcome).collect();
        assert_eq!(outcomes, [Some(Outcome::Cancelled), Some(Outcome::Refused), None]);
        tx.commit().await.unwrap();
        let later = Duration::from_mins(1);
        assert_eq!(store::raise_attempts(&mut one, ids[2], later).await.unwrap(), 1);
        assert_eq!(store::raise_attempts(&mut one, ids[0], later).await.unwrap(), 0, "decided");
        assert_eq!(store::wake_all_unfinished(&mut one).await.unwrap(), 1);
    })
    .await;
}

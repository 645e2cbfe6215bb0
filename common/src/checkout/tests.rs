//! Accepting, and the batch functions of the pipeline, against a real database.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sqlx::Connection as _;
use tokio_util::task::TaskTracker;

use super::{Accept, Accepts, Answer, Checkout, Refusal, Wanted, snapshot, store};
use crate::cart::{self, Change, Op};
use crate::clock;
use crate::db::Db;
use crate::db::batch::Locks;
use crate::db::group::{GroupCommit, Limits, Slots, Unit as _};
use crate::db::scratch::{buyer, product, shelf, with_database};
use crate::id::{MessageId, OrderId, OwnerId, ProductId, UserId};
use crate::money::{MAX_PRICE, MAX_QUANTITY};
use crate::payment::Method;
use crate::trace::RequestId;

type Door = GroupCommit<Accepts>;

fn door(db: &Db) -> Door {
    let limits = Limits::new(2, 200, Duration::from_secs(10));
    GroupCommit::start(db, Accepts { owner: OwnerId::mint() }, limits, &TaskTracker::new())
}

async fn fill(db: &Db, user: UserId, lines: &[(ProductId, u32)]) {
    let mut conn = db.connect().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    let changes: Vec<_> = lines
        .iter()
        .map(|(product, quantity)| Op::Add { product: *product, quantity: *quantity })
        .map(|op| Change { user, op, at: clock::now() })
        .collect();
    let changes: Vec<_> = changes.iter().collect();
    let mut slots = Slots::empty(changes.len());
    cart::CartWrites.write(&mut tx, &changes, Locks::Wait, &mut slots).await.unwrap();
    tx.commit().await.unwrap();
}

fn ask(user: UserId, key: Option<&str>) -> Accept {
    Accept {
        user,
        key: key.map(|key| key.parse().unwrap()),
        fingerprint: [7; 32],
        wanted: Some(Wanted { method: Method::Approve, expected_total: None }),
        order_id: OrderId::mint(),
        message_id: MessageId::mint(),
        request_id: RequestId::mint(),
        at: clock::now(),
    }
}

async fn submit(door: &Door, asked: Accept) -> Answer {
    door.submit(asked, Duration::from_secs(30)).await.unwrap()
}

fn accepted(answer: &Answer) -> Option<Arc<Checkout>> {
    if let Answer::Accepted(checkout) = answer { Some(Arc::clone(checkout)) } else { None }
}

fn of(answer: &Answer) -> &Checkout {
    match answer {
        Answer::Accepted(checkout) | Answer::Replayed(checkout) => checkout,
        Answer::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db.pool()).await.unwrap()
}

#[tokio::test]
async fn one_key_64_times_at_once_is_one_order_and_64_equal_answers() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 50).await);
        fill(&db, user, &[(mug, 2)]).await;
        let door = door(&db);
        let answers = join_all((0..64).map(|_| submit(&door, ask(user, Some("once"))))).await;
        let leaders: Vec<_> = answers.iter().filter_map(accepted).collect();
        assert_eq!(leaders.len(), 1);
        for answer in &answers {
            let told = of(answer);
            assert_eq!((told.order_id, &told.lines), (leaders[0].order_id, &leaders[0].lines));
            assert_eq!((told.total, told.accepted_at), (1_000, leaders[0].accepted_at));
        }
        let mut other = ask(user, Some("once"));
        other.fingerprint = [8; 32];
        assert!(matches!(submit(&door, other).await, Answer::Refused(Refusal::KeyReused)));
        assert_eq!(count(&db, "select count(*) from checkouts").await, 1);
        assert_eq!(count(&db, "select count(*) from outbox").await, 1);
        let cart = db.read(move |conn| Box::pin(cart::store::get(conn, user))).await.unwrap();
        assert_eq!((cart.version, cart.last_order), (2, Some(leaders[0].order_id)));
        assert!(cart.lines.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_replay_outlives_the_cart_the_price_and_the_product() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 50).await);
        fill(&db, user, &[(mug, 2)]).await;
        let door = door(&db);
        let first = submit(&door, ask(user, Some("k"))).await;
        fill(&db, user, &[(mug, 1)]).await;
        for sql in
            ["update products set price = 1, name = 'x'", "update products set deleted_at = now(6)"]
        {
            sqlx::query(sql).execute(db.pool()).await.unwrap();
        }
        let mut invalid = ask(user, Some("k"));
        invalid.wanted = None;
        let again = submit(&door, invalid).await;
        assert!(matches!(again, Answer::Replayed(_)));
        assert_eq!(
            (of(&again).order_id, &of(&again).lines),
            (of(&first).order_id, &of(&first).lines)
        );
        let stranger = buyer(&db).await;
        let theirs = submit(&door, ask(stranger, Some("k"))).await;
        assert!(matches!(theirs, Answer::Refused(Refusal::EmptyCart)), "keys are each buyer's own");
    })
    .await;
}

#[tokio::test]
async fn a_double_click_without_a_key_is_one_order_and_the_next_cart_another() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 50).await);
        fill(&db, user, &[(mug, 2)]).await;
        let door = door(&db);
        let clicks = join_all((0..8).map(|_| submit(&door, ask(user, None)))).await;
        assert_eq!(clicks.iter().filter_map(accepted).count(), 1);
        assert!(clicks.iter().all(|click| of(click).order_id == of(&clicks[0]).order_id));
        let later = submit(&door, ask(user, None)).await;
        assert_eq!(of(&later).order_id, of(&clicks[0]).order_id);
        fill(&db, user, &[(mug, 2)]).await;
        let next = submit(&door, ask(user, None)).await;
        assert_ne!(accepted(&next).unwrap().order_id, of(&clicks[0]).order_id);
    })
    .await;
}

#[tokio::test]
async fn a_request_whose_commit_was_not_answered_is_one_order_although_its_cart_is_in_use_again() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 50).await);
        let (door, first, other) = (door(&db), ask(user, None), ask(user, None));
        fill(&db, user, &[(mug, 2)]).await;
        submit(&door, first.clone()).await;
        fill(&db, user, &[(mug, 3)]).await;
        let again = submit(&door, first.clone()).await;
        assert_eq!(accepted(&again).unwrap().order_id, first.order_id, "the cart is filled again");
        let next = submit(&door, other.clone()).await;
        assert_eq!(accepted(&next).unwrap().order_id, other.order_id, "what is in it is left");
        let again = submit(&door, first.clone()).await;
        assert_eq!(accepted(&again).unwrap().order_id, first.order_id, "it is ordered again");
        assert_eq!(count(&db, "select count(*) from checkouts").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_accepted_is_what_is_read_back_to_the_last_character() {
    with_database(async |db| {
        let user = buyer(&db).await;
        let name = "\u{1f9c1}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \\\"\u{0}'ñ".repeat(14);
        let cake = product(&db, &name, MAX_PRICE, i64::MAX).await;
        fill(&db, user, &[(cake, MAX_QUANTITY)]).await;
        let key = "~".repeat(200);
        let answer = submit(&door(&db), ask(user, Some(&key))).await;
        let told = accepted(&answer).unwrap();
        assert_eq!(told.total, 1_000_000_000_000_000_000);
        let mut conn = db.connect().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        let stored = store::lock(&mut tx, &[told.order_id], Locks::Wait).await.unwrap().remove(0);
        assert_eq!((&stored.lines, stored.total), (&told.lines, told.total));
        assert_eq!((stored.accepted_at, &stored.request_id), (told.accepted_at, &told.request_id));
        let line = snapshot::read(&stored.lines).unwrap().remove(0);
        assert_eq!((line.name, line.price, line.quantity), (name, MAX_PRICE, MAX_QUANTITY));
    })
    .await;
}

#[tokio::test]
async fn carts_of_1500_lines_of_several_buyers_are_accepted_at_once() {
    with_database(async |db| {
        let shelf = shelf(&db, 1_500, "A product with some name", 0, 9).await;
        let lines: Vec<_> = shelf.iter().map(|id| (*id, 1)).collect();
        let users = join_all((0..6).map(|_| buyer(&db))).await;
        for user in &users {
            fill(&db, *user, &lines).await;
        }
        let door = door(&db);
        let answers = join_all(users.iter().map(|user| submit(&door, ask(*user, None)))).await;
        for answer in answers {
            let lines = snapshot::read(&accepted(&answer).unwrap().lines).unwrap();
            assert_eq!(lines.len(), 1_500);
        }
        assert_eq!(count(&db, "select count(*) from cart_lines").await, 0);
        assert_eq!(count(&db, "select count(*) from outbox").await, 6);
    })
    .await;
}

#[tokio::test]
async fn a_request_id_that_nobody_can_read_stops_no_sweep() {
    with_database(async |db| {
        let mug = product(&db, "Mug", 500, 50).await;
        let door = door(&db);
        for _ in 0..2 {
            let user = buyer(&db).await;
            fill(&db, user, &[(mug, 1)]).await;
            accepted(&submit(&door, ask(user, None)).await).unwrap();
        }
        let mut conn = db.connect().await.unwrap();
        let spoil = "update checkouts set request_id = 'by hand' order by order_id limit 1";
        sqlx::query(spoil).execute(&mut conn).await.unwrap();
        assert_eq!(store::wake_all_unfinished(&mut conn).await.unwrap(), 2);
        let mut tx = conn.begin().await.unwrap();
        assert_eq!(store::due(&mut tx, 10).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_checkout_is_locked_consumed_put_off_and_woken() {
    with_database(async |db| {
        let mug = product(&db, "Mug", 500, 50).await;
        let door = door(&db);
        let mut ids = Vec::new();
        for _ in 0..3 {
            let user = buyer(&db).await;
            fill(&db, user, &[(mug, 1)]).await;
            ids.push(of(&submit(&door, ask(user, None)).await).order_id);
        }
        let (mut one, mut two) = (db.connect().await.unwrap(), db.connect().await.unwrap());
        let mut tx = one.begin().await.unwrap();
        assert!(store::due(&mut tx, 10).await.unwrap().is_empty(), "30 s have not passed");
        let unknown = OrderId::mint();
        let mine = store::lock(&mut tx, &[unknown, ids[1], ids[0]], Locks::Wait).await.unwrap();
        assert_eq!(mine.iter().map(|c| c.order_id).collect::<Vec<_>>(), ids[..2]);
        let mut theirs = two.begin().await.unwrap();
        let rest = store::lock(&mut theirs, &ids, Locks::Skip).await.unwrap();
        assert_eq!(rest.iter().map(|c| c.order_id).collect::<Vec<_>>(), ids[2..]);
        theirs.rollback().await.unwrap();
        store::consume(&mut tx, &ids[..1]).await.unwrap();
        assert!(store::consume(&mut tx, &ids[..1]).await.is_err(), "once only");
        store::put_off(&mut tx, &ids, Duration::ZERO).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = one.begin().await.unwrap();
        let due = store::due(&mut tx, 10).await.unwrap();
        assert_eq!(
            due.iter().map(|(id, _)| *id).collect::<std::collections::BTreeSet<_>>(),
            ids[1..].iter().copied().collect()
        );
        assert!(store::due(&mut tx, 10).await.unwrap().is_empty(), "their wake-ups were moved on");
        tx.commit().await.unwrap();
        let later = Duration::from_mins(1);
        assert_eq!(store::raise_attempts(&mut one, ids[1], later).await.unwrap(), 1);
        assert_eq!(store::raise_attempts(&mut one, ids[1], later).await.unwrap(), 2);
        assert_eq!(store::raise_attempts(&mut one, ids[0], later).await.unwrap(), 0, "consumed");
        assert_eq!(store::wake_all_unfinished(&mut one).await.unwrap(), 2);
        assert_eq!(store::wake_all_unfinished(&mut one).await.unwrap(), 0);
        let mut tx = one.begin().await.unwrap();
        assert_eq!(store::due(&mut tx, 1).await.unwrap().len(), 1, "no more than asked for");
        assert_eq!(store::due(&mut tx, 10).await.unwrap().len(), 1);
        let read = store::lock(&mut tx, &ids, Locks::Wait).await.unwrap();
        let consumed: Vec<bool> = read.iter().map(|checkout| checkout.consumed).collect();
        assert_eq!(consumed, [true, false, false]);
    })
    .await;
}

#[tokio::test]
async fn republishing_beside_a_running_sweep_wakes_each_checkout_once() {
    with_database(async |db| {
        let ids = crate::db::batch::ids((0..5_000).map(|_| OrderId::mint().uuid()));
        sqlx::query(
            "insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, \
             `lines`, total, request_id, accepted_at, wake_at) \
             select unhex(j.id), unhex(j.id), j.id, unhex(repeat('00', 32)), 'tok_approve', '[]', 0, \
             'a-request', now(6), now(6) + interval 30 second \
             from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j",
        )
        .bind(ids)
        .execute(db.pool())
        .await
        .unwrap();
        let (mut one, mut other) = (db.connect().await.unwrap(), db.connect().await.unwrap());
        let sweeping = async {
            loop {
                let mut tx = other.begin().await.unwrap();
                store::due(&mut tx, 1_000).await.unwrap();
                tx.commit().await.unwrap();
            }
        };
        let woken = tokio::select! {
            woken = store::wake_all_unfinished(&mut one) => woken.unwrap(),
            () = sweeping => unreachable!("it never ends"),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("it chases the sweep"),
        };
        assert_eq!(woken, 5_000);
    })
    .await;
}

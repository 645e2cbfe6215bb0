//! Cart writes against a real database.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use tokio_util::task::TaskTracker;

use super::{Cart, CartWrites, Change, Issue, Op, Refusal, store};
use crate::checkout::SnapshotLine;
use crate::clock;
use crate::db::Db;
use crate::db::batch::Locks;
use crate::db::group::{GroupCommit, Limits, Refused};
use crate::db::scratch::{buyer, product, shelf, with_database};
use crate::id::{ProductId, UserId};
use crate::money::{MAX_PRICE, MAX_QUANTITY};

type Carts = GroupCommit<CartWrites>;

fn carts(db: &Db) -> Carts {
    let limits = Limits::new(2, 200, Duration::from_secs(10));
    GroupCommit::start(db, CartWrites, limits, &TaskTracker::new())
}

async fn kept(db: &Db, user: UserId) -> Cart {
    db.read(move |conn| Box::pin(store::get(conn, user))).await.unwrap()
}

async fn change(carts: &Carts, user: UserId, op: Op) -> Result<Cart, Refusal> {
    let change = Change { user, op, at: clock::now() };
    carts.submit(change, Duration::from_secs(30)).await.unwrap()
}

fn add(product: ProductId, quantity: u32) -> Op {
    Op::Add { product, quantity }
}

fn snapshot(product_id: ProductId, quantity: u32, price: i64) -> SnapshotLine {
    SnapshotLine { product_id, sku: "sku".into(), name: "name".into(), quantity, price }
}

#[tokio::test]
async fn fifty_parallel_adds_are_fifty_units_and_each_is_told_its_own_cart() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 50).await);
        let carts = carts(&db);
        let answers = join_all((0..50).map(|_| change(&carts, user, add(mug, 1)))).await;
        let told: BTreeSet<_> = answers
            .iter()
            .map(|cart| cart.as_ref().unwrap())
            .map(|cart| (cart.version, cart.lines[&mug].quantity))
            .collect();
        assert_eq!(told, (1..=50).map(|n| (i64::from(n), n)).collect());
        let refused = change(&carts, user, add(mug, 1)).await;
        assert_eq!(refused, Err(Refusal::OutOfStock { available: 50 }));
        let stored = kept(&db, user).await;
        assert_eq!((stored.version, stored.lines[&mug].quantity), (50, 50));
        assert_eq!(stored.total(), Some(25_000));
    })
    .await;
}

#[tokio::test]
async fn what_is_told_is_what_is_stored() {
    with_database(async |db| {
        let (user, mug) = (buyer(&db).await, product(&db, "Mug", 500, 9).await);
        let pot = product(&db, "Pot", 900, 9).await;
        let carts = carts(&db);
        let ops = [
            add(mug, 2),
            Op::Set { product: pot, quantity: 3 },
            Op::Set { product: mug, quantity: 1 },
            Op::Remove { product: pot },
            Op::Remove { product: pot },
            add(pot, 1),
            Op::Clear,
            Op::Clear,
            add(pot, 4),
        ];
        for (op, version) in ops.into_iter().zip([1, 2, 3, 4, 4, 5, 6, 6, 7]) {
            let told = change(&carts, user, op).await.unwrap();
            assert_eq!(told.version, version, "{op:?}");
            assert_eq!(told, kept(&db, user).await, "{op:?}");
        }
        // The same changes of another buyer in one batch end the same.
        let other = buyer(&db).await;
        join_all(ops.map(|op| change(&carts, other, op))).await;
        let (one, two) = (kept(&db, user).await, kept(&db, other).await);
        assert_eq!(one.version, two.version);
        assert_eq!(one.lines[&pot].quantity, two.lines[&pot].quantity);
    })
    .await;
}

#[tokio::test]
async fn issues_show_what_became_of_the_products() {
    with_database(async |db| {
        let user = buyer(&db).await;
        let carts = carts(&db);
        let [dearer, short, gone] = [
            product(&db, "a", 1, 5).await,
            product(&db, "b", 2, 5).await,
            product(&db, "c", 3, 5).await,
        ];
        for id in [dearer, short, gone] {
            change(&carts, user, add(id, 5)).await.unwrap();
        }
        for (sql, id) in [
            ("update products set price = 10 where id = ?", dearer),
            ("update stock set available = 4 where product_id = ?", short),
            ("update products set deleted_at = now(6) where id = ?", gone),
        ] {
            sqlx::query(sql).bind(id).execute(db.pool()).await.unwrap();
        }
        let cart = kept(&db, user).await;
        assert_eq!(cart.lines[&dearer].issues(), [Issue::PriceChanged { was: 1 }]);
        assert_eq!(cart.lines[&short].issues(), [Issue::InsufficientStock { available: 4 }]);
        assert_eq!(cart.lines[&gone].issues(), [Issue::ProductUnavailable]);
        assert_eq!(cart.total(), Some(60), "what is not sold costs nothing");
        let order: Vec<_> = cart.in_order().into_iter().map(|(id, _)| id).collect();
        assert_eq!(order, [dearer, short, gone]);
        let refused = change(&carts, user, add(gone, 1)).await;
        assert_eq!(refused, Err(Refusal::ProductUnavailable));
        let unknown = change(&carts, user, add(ProductId::mint(), 1)).await;
        assert_eq!(unknown, Err(Refusal::ProductUnavailable));
    })
    .await;
}

#[tokio::test]
async fn the_longest_names_and_the_largest_numbers_come_back_unchanged() {
    with_database(async |db| {
        let user = buyer(&db).await;
        let name = "\u{1f9c1}".repeat(199) + "\"";
        let cake = product(&db, &name, MAX_PRICE, i64::MAX).await;
        let carts = carts(&db);
        let told = change(&carts, user, add(cake, MAX_QUANTITY)).await.unwrap();
        assert_eq!(told, kept(&db, user).await);
        let line = &told.lines[&cake];
        assert_eq!((line.quantity, line.seen_price), (MAX_QUANTITY, MAX_PRICE));
        assert_eq!((line.product.name.as_str(), line.product.available), (name.as_str(), i64::MAX));
        assert_eq!(change(&carts, user, add(cake, 1)).await, Err(Refusal::TooMany));
    })
    .await;
}

#[tokio::test]
async fn carts_of_1500_lines_of_many_buyers_are_written_side_by_side() {
    with_database(async |db| {
        let shelf = shelf(&db, 1_500, "p", 0, 9).await;
        let users = [buyer(&db).await, buyer(&db).await, buyer(&db).await, buyer(&db).await];
        let carts = carts(&db);
        for chunk in shelf.chunks(100) {
            let adds = users.iter().flat_map(|user| chunk.iter().map(move |id| (*user, *id)));
            for answer in join_all(adds.map(|(user, id)| change(&carts, user, add(id, 1)))).await {
                answer.unwrap();
            }
        }
        let last = shelf[1_499];
        let again = users.iter().flat_map(|user| [change(&carts, *user, add(last, 1)); 1]);
        for cart in join_all(again).await {
            let cart = cart.unwrap();
            assert_eq!((cart.lines.len(), cart.lines[&last].quantity), (1_500, 2));
            assert_eq!(cart.version, 1_501);
        }
        for cart in join_all(users.map(|user| change(&carts, user, Op::Clear))).await {
            assert!(cart.unwrap().lines.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn lines_are_put_back_onto_what_is_there() {
    with_database(async |db| {
        let (one, two) = (buyer(&db).await, buyer(&db).await);
        let (mug, pot) = (product(&db, "Mug", 500, 9).await, product(&db, "Pot", 900, 9).await);
        change(&carts(&db), one, add(mug, 2)).await.unwrap();
        let mut conn = db.connect().await.unwrap();
        let mut tx = sqlx::Connection::begin(&mut conn).await.unwrap();
        let returned = [
            (one, vec![snapshot(mug, 3, 400), snapshot(pot, 1, 800)]),
            (two, vec![snapshot(mug, MAX_QUANTITY, 400)]),
            (one, vec![snapshot(pot, 4, 800)]),
            (two, vec![snapshot(mug, 1, 400)]),
        ];
        store::put_back(&mut tx, &returned).await.unwrap();
        store::put_back(&mut tx, &[]).await.unwrap();
        tx.commit().await.unwrap();
        let cart = kept(&db, one).await;
        let line = |id| (cart.lines[&id].quantity, cart.lines[&id].seen_price);
        assert_eq!((cart.version, line(mug), line(pot)), (2, (5, 500), (5, 800)));
        let cart = kept(&db, two).await;
        assert_eq!((cart.version, cart.lines[&mug].quantity), (1, MAX_QUANTITY));
    })
    .await;
}

#[tokio::test]
async fn a_cart_that_somebody_holds_delays_only_its_own_buyer() {
    with_database(async |db| {
        let (held, free) = (buyer(&db).await, buyer(&db).await);
        let mug = product(&db, "Mug", 500, 9).await;
        let limits = Limits::new(1, 200, Duration::from_secs(10));
        let carts = GroupCommit::start(&db, CartWrites, limits, &TaskTracker::new());
        let mut holder = db.connect().await.unwrap();
        let mut tx = sqlx::Connection::begin(&mut holder).await.unwrap();
        store::lock(&mut tx, &[held], Locks::Wait).await.unwrap();
        let ask = |user| {
            let change = Change { user, op: add(mug, 1), at: clock::now() };
            carts.submit(change, Duration::from_secs(30))
        };
        let (blocked, served) = tokio::join!(ask(held), ask(free));
        assert_eq!(blocked, Err(Refused::Unanswered));
        assert_eq!(served.unwrap().unwrap().version, 1);
    })
    .await;
}

//! Rooms of the worker from inside, where what a story could see would depend on who is faster: who comes
//! first within one batch, what a held row puts off, and how fast a sweep wakes a backlog.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ordermill_common::broker::{
    Broker, Consumer, ConsumerConfig, Delivery, Disposition, Envelope, Publisher, Queue,
    delete_topology,
};
use ordermill_common::checkout::{SnapshotLine, snapshot};
use ordermill_common::clock;
use ordermill_common::db::group::{GroupCommit, Limits, Refused, Unit};
use ordermill_common::db::{Db, batch};
use ordermill_common::id::{OrderId, OwnerId, PaymentId, ProductId, UserId};
use ordermill_common::order::Status;
use ordermill_common::outbox::{Relay, RelayConfig};
use ordermill_tests::database::{door_to, fresh_name, migrated, server};
use ordermill_tests::until;
use ordermill_worker::reserve::{Reserve, Reserved, Wake};
use ordermill_worker::sweep::Sweeper;
use ordermill_worker::task::Holder;
use sqlx::{MySql, Transaction};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A buyer's checkout of one piece, accepted that many seconds ago.
async fn accepted(db: &Db, product: ProductId, seconds_ago: u32) -> OrderId {
    let (order, user) = (OrderId::mint(), UserId::mint());
    let line = SnapshotLine {
        product_id: product,
        sku: "MUG".to_owned(),
        name: "Mug".to_owned(),
        quantity: 1,
        price: 500,
    };
    sqlx::query("insert into carts (user_id, version) values (?, 1)")
        .bind(user)
        .execute(db.pool())
        .await
        .expect("the statement is right");
    sqlx::query(
        "insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, \
         `lines`, total, request_id, accepted_at, wake_at) \
         values (?, ?, 'c:1', repeat('x', 32), 'tok_approve', ?, 500, 'a-request', \
         now(6) - interval ? second, now(6))",
    )
    .bind(order)
    .bind(user)
    .bind(snapshot::write(&[line]))
    .bind(seconds_ago)
    .execute(db.pool())
    .await
    .expect("the statement is right");
    order
}

/// A product with that many pieces.
pub(crate) async fn shelved(db: &Db, pieces: i64) -> ProductId {
    let product = ProductId::mint();
    let insert = "insert into products (id, sku, name, description, price, version, created_at, \
        updated_at) values (?, 'MUG', 'Mug', '', 500, 1, now(6), now(6))";
    sqlx::query(insert).bind(product).execute(db.pool()).await.expect("the statement is right");
    sqlx::query("insert into stock (product_id, available) values (?, ?)")
        .bind(product)
        .bind(pieces)
        .execute(db.pool())
        .await
        .expect("the statement is right");
    product
}

/// A worker of its own.
pub(crate) fn holder() -> Holder {
    Holder { owner: OwnerId::mint(), lease: Duration::from_secs(30) }
}

/// One lane of it.
pub(crate) fn lane<U: Unit>(db: &Db, unit: U) -> GroupCommit<U> {
    let limits = Limits::new(1, 200, Duration::from_secs(10));
    GroupCommit::start(db, unit, limits, &TaskTracker::new())
}

/// Wakes the order, as its message does.
async fn ask(reserve: &GroupCommit<Reserve>, order_id: OrderId) -> Result<Reserved, Refused> {
    let wake = Wake { order_id, payment_id: PaymentId::mint(), at: clock::now() };
    reserve.submit(wake, Duration::from_secs(30)).await
}

/// An order of one piece whose stock is taken.
pub(crate) async fn reserved(db: &Db, holder: Holder, product: ProductId) -> OrderId {
    let order_id = accepted(db, product, 1).await;
    let reserved = ask(&lane(db, Reserve { db: db.clone(), holder }), order_id).await;
    assert!(matches!(reserved, Ok(Reserved::Charge(_))), "{reserved:?}");
    order_id
}

/// Somebody else's lock on the cart of the order's buyer.
pub(crate) async fn hold_cart(db: &Db, order: OrderId) -> Transaction<'static, MySql> {
    let mut holding = db.pool().begin().await.expect("a transaction");
    sqlx::query(
        "select version from carts \
         where user_id = (select user_id from checkouts where order_id = ?) \
         for update",
    )
    .bind(order)
    .execute(&mut *holding)
    .await
    .expect("the row is free");
    holding
}

fn reserve(db: &Db) -> GroupCommit<Reserve> {
    lane(db, Reserve { db: db.clone(), holder: holder() })
}

#[tokio::test]
async fn who_was_accepted_first_is_served_first_whoever_leads_the_batch() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let mug = shelved(&db, 1).await;
    // The ids are in one order, the times of acceptance in the other.
    let (late, early) = (accepted(&db, mug, 1).await, accepted(&db, mug, 9).await);
    let reserve = reserve(&db);
    let ask = |order_id| ask(&reserve, order_id);

    let (late, early) = tokio::join!(ask(late), ask(early));

    assert_eq!(late, Ok(Reserved::Ended(Status::Rejected)));
    assert!(matches!(early, Ok(Reserved::Charge(_))), "{early:?}");
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_reserve_whose_commit_was_not_confirmed_goes_on_with_its_own_payment() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let mug = shelved(&db, 5).await;
    let order_id = accepted(&db, mug, 1).await;
    let reserve = reserve(&db);
    let wake = || Wake { order_id, payment_id: PaymentId::mint(), at: clock::now() };
    let (first, second) = (wake(), wake());
    let patience = Duration::from_secs(30);

    let Ok(Reserved::Charge(task)) = reserve.submit(first, patience).await else {
        panic!("there is enough");
    };

    // The batch runs again as it is; another delivery of the message does not get in between.
    assert_eq!(reserve.submit(first, patience).await, Ok(Reserved::Charge(task)));
    assert_eq!(reserve.submit(second, patience).await, Ok(Reserved::Held));
    db.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_cart_that_somebody_holds_puts_off_the_rejection_that_would_fill_it() {
    let database = migrated(&fresh_name()).await;
    let db = door_to(&database);
    let mug = shelved(&db, 1).await;
    let (first, late) = (accepted(&db, mug, 9).await, accepted(&db, mug, 1).await);
    let holding = hold_cart(&db, late).await;
    let reserve = reserve(&db);
    let ask = |order_id| ask(&reserve, order_id);

    let (put_off, reserved) = tokio::join!(ask(late), ask(first));

    assert!(matches!(reserved, Ok(Reserved::Charge(_))), "{reserved:?}");
    assert_eq!(put_off, Ok(Reserved::PutOff));
    holding.rollback().await.expect("nothing was changed");
    assert_eq!(ask(late).await, Ok(Reserved::Ended(Status::Rejected)));
    db.close().await;
    database.remove().await;
}

const IDS: &str = "json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j";

/// That many new ids, as the parameter of a statement.
fn ids(count: usize) -> String {
    batch::ids((0..count).map(|_| OrderId::mint().uuid()))
}

async fn fill(db: &Db, statement: String, ids: &str) {
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::query(statement).bind(ids).execute(db.pool()).await.expect("the statement is right");
}

/// Five thousand rows of three tables are due at once.
async fn backlog(db: &Db) {
    let checkouts = "insert into checkouts (order_id, user_id, idempotency_key, fingerprint, \
        payment_method, `lines`, total, request_id, accepted_at, consumed_at, wake_at)";
    let same = "unhex(j.id), unhex(j.id), j.id, repeat('x', 32), 'tok_approve', '[]', 0, 'a-request', now(6)";
    fill(db, format!("{checkouts} select {same}, null, now(6) from {IDS}"), &ids(2_000)).await;
    let charged = ids(1_500);
    fill(db, format!("{checkouts} select {same}, now(6), null from {IDS}"), &charged).await;
    let payments = "insert into payments (id, order_id, status, method, amount, wake_at, created_at, \
        updated_at) select unhex(j.id), unhex(j.id), 'pending', 'tok_approve', 0, now(6), now(6), now(6)";
    fill(db, format!("{payments} from {IDS}"), &charged).await;
    let cancellations = "insert into cancellations (order_id, requested_by, request_id, requested_at, \
        wake_at) select unhex(j.id), 'buyer', 'a-request', now(6), now(6)";
    fill(db, format!("{cancellations} from {IDS}"), &ids(1_500)).await;
}

/// Notes whose messages come through the queue.
fn note(
    broker: &Broker,
    queue: Queue,
    woken: &Arc<Mutex<BTreeSet<OrderId>>>,
    shutdown: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let woken = Arc::clone(woken);
    let handle = move |delivery: Delivery| {
        let message = Envelope::decode(&delivery.body).expect("a message of ours");
        woken.lock().expect("nobody panicked").insert(message.order_id);
        async { Disposition::Ack }
    };
    let config = ConsumerConfig::new(queue, 500, Duration::from_secs(1));
    Consumer::new(broker, config).run(handle, shutdown.clone())
}

#[tokio::test]
async fn a_backlog_is_woken_at_two_thousand_rows_a_second_and_each_row_once() {
    let name = fresh_name();
    let database = migrated(&name).await;
    let db = door_to(&database);
    backlog(&db).await;
    let (owner, shutdown, tasks) = (OwnerId::mint(), CancellationToken::new(), TaskTracker::new());
    let broker = Broker::new(&server("AMQP_URL"), &format!("{name}.")).expect("it was used before");
    let woken: Arc<Mutex<BTreeSet<OrderId>>> = Arc::default();
    for queue in [Queue::Checkout, Queue::Cancel] {
        tasks.spawn(note(&broker, queue, &woken, &shutdown));
    }
    let publisher = Publisher::start(&broker, &tasks);
    let relay = Relay::start(&db, publisher, RelayConfig::new(owner), shutdown.clone(), &tasks);
    // Two of them, as in two processes.
    for _ in 0..2 {
        let sweeper = Sweeper { db: db.clone(), owner, relay: relay.clone() };
        tasks.spawn(sweeper.run(shutdown.clone()));
    }
    drop(relay);

    let count = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(db.pool()).await.expect("the query is right")
    };
    let due = "select cast((select count(*) from checkouts where wake_at <= now(6)) \
        + (select count(*) from payments where wake_at <= now(6)) \
        + (select count(*) from cancellations where wake_at <= now(6)) as signed)";
    until("all are woken", || async { (count(due).await == 0).then_some(()) }).await;
    let wakes = "select cast((select sum(wakes) from checkouts) + (select sum(wakes) from payments) \
        + (select sum(wakes) from cancellations) as signed)";
    assert_eq!(count(wakes).await, 5_000);
    // What one statement woke sleeps until the same time: no second that begins with one holds more.
    let fastest = "with slept as (select wake_at, count(*) as n from ( \
          select wake_at from checkouts union all select wake_at from payments \
          union all select wake_at from cancellations) t where wake_at is not null group by wake_at) \
        select cast(max(n) as signed) from (select (select sum(o.n) from slept o \
          where o.wake_at >= t.wake_at and o.wake_at < t.wake_at + interval 1 second) as n \
        from slept t) s";
    let fastest = count(fastest).await;
    assert!(fastest <= 2_000, "{fastest} rows within a second");
    let all_came = || async {
        let woken = woken.lock().expect("nobody panicked").len();
        (woken == 5_000).then_some(())
    };
    until("each has its message", all_came).await;

    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    delete_topology(&broker).await.expect("the queues are ours");
    db.close().await;
    database.remove().await;
}

//! What a tick wakes, in a database of the test's own.

use ordermill_common::broker::{Broker, Publisher};
use ordermill_common::db;
use ordermill_common::outbox::{Relay, RelayConfig};
use ordermill_scratch::Database;
use tokio_util::task::TaskTracker;

use super::*;

/// A sweeper whose relay publishes nothing: its broker is not there.
fn sweeper(db: &Db, tasks: &TaskTracker, leave: &CancellationToken) -> Sweeper {
    let owner = OwnerId::mint();
    let nowhere = Broker::new("amqp://guest:guest@127.0.0.1:1/%2f", "nobody.").unwrap();
    let publisher = Publisher::start(&nowhere, tasks);
    let relay = Relay::start(db, publisher, RelayConfig::new(owner), leave.clone(), tasks);
    Sweeper { db: db.clone(), owner, relay }
}

/// Runs the statement with a list of the numbers from 1 to `rows`, as ids in hexadecimal form.
async fn insert(conn: &mut MySqlConnection, rows: u32, statement: &'static str) {
    let numbers: Vec<String> = (1..=rows).map(|number| format!("\"{number:032x}\"")).collect();
    let numbers = format!("[{}]", numbers.join(","));
    let inserted = sqlx::query(statement).bind(numbers).execute(conn).await.unwrap();
    assert_eq!(inserted.rows_affected(), u64::from(rows));
}

const DUE_CHECKOUTS: &str = "\
insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, `lines`, total,
  request_id, accepted_at, wake_at)
select unhex(j.id), unhex(j.id), 'h:1', repeat('x', 32), 'tok_approve', '[]', 1,
  'req_of_the_test', now(6), now(6) - interval 1 hour
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j";

const DUE_CANCELLATIONS: &str = "\
insert into cancellations (order_id, requested_by, request_id, requested_at, wake_at)
select unhex(j.id), 'buyer', 'req_of_the_test', now(6), now(6) - interval 1 hour
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j";

const A_DUE_PAYMENT: &str = "\
insert into payments (id, order_id, status, method, amount, wake_at, created_at, updated_at)
select unhex(j.id), unhex(j.id), 'pending', 'tok_approve', 1, now(6), now(6), now(6)
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j";

fn of(rows: &[OutboxRow], kind: Kind) -> usize {
    rows.iter().filter(|row| row.kind == kind).count()
}

#[tokio::test]
async fn a_payment_is_woken_in_the_first_tick_however_much_else_is_due() {
    let database = Database::create().await;
    let db = Db::new(&database.url(), 4).unwrap();
    db::migrate(&db).await.unwrap();
    let (tasks, leave) = (TaskTracker::new(), CancellationToken::new());
    let sweeper = sweeper(&db, &tasks, &leave);
    let mut heirs = Heirs::new(sweeper.owner, sweeper.relay.link());
    let mut conn = db.connect_lane().await.unwrap();
    insert(&mut conn, 4 * AT_MOST, DUE_CHECKOUTS).await;
    insert(&mut conn, 1, A_DUE_PAYMENT).await;

    let rows = sweeper.tick(&mut conn, &mut heirs).await.unwrap();
    assert_eq!(rows.len(), (AT_MOST - SHARE + 1) as usize);
    let payments = "select cast(count(*) as signed) from payments where wake_at <= now(6)";
    let due: i64 = sqlx::query_scalar(payments).fetch_one(&mut conn).await.unwrap();
    assert_eq!(due, 0);

    insert(&mut conn, 2 * AT_MOST, DUE_CANCELLATIONS).await;
    sqlx::query("update payments set wake_at = now(6)").execute(&mut conn).await.unwrap();
    let rows = sweeper.tick(&mut conn, &mut heirs).await.unwrap();
    assert_eq!(of(&rows, Kind::OrderCancelV1), (AT_MOST - 2 * SHARE) as usize);
    assert_eq!(of(&rows, Kind::OrderCheckoutV1), (SHARE + 1) as usize);
    let due: i64 = sqlx::query_scalar(payments).fetch_one(&mut conn).await.unwrap();
    assert_eq!(due, 0);
    leave.cancel();
    db.close().await;
    database.remove().await;
}

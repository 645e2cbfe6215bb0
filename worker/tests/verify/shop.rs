//! A small consistent shop: one order in every situation that an order can be in, each named by its
//! idempotency key, `h:<name>`, so that a corruption can find it in SQL.

use ordermill_common::checkout::{SnapshotLine, snapshot};
use ordermill_common::id::{OrderId, PaymentId, ProductId, UserId};
use ordermill_common::money;
use sqlx::{AssertSqlSafe, MySqlConnection};

/// How an order came to where it stands.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    /// The statuses after `accepted`; `cancel_refused` keeps the one before.
    path: &'static [&'static str],
    reason: Option<&'static str>,
    pub(crate) payment: Option<&'static str>,
    pub(crate) method: &'static str,
    /// The outcome of a request to cancel; `undecided` for none yet.
    cancellation: Option<&'static str>,
}

const fn story(name: &'static str, path: &'static [&'static str]) -> Story {
    Story { name, path, reason: None, payment: None, method: "tok_approve", cancellation: None }
}

const fn paid(name: &'static str, path: &'static [&'static str], payment: &'static str) -> Story {
    Story { payment: Some(payment), ..story(name, path) }
}

pub(crate) const STORIES: &[Story] = &[
    story("accepted", &[]),
    Story { cancellation: Some("undecided"), ..story("cancelling", &[]) },
    paid("reserved", &["reserved"], "pending"),
    paid("paid", &["reserved", "paid"], "captured"),
    paid("packed", &["reserved", "paid", "packed"], "captured"),
    paid("shipped", &["reserved", "paid", "packed", "shipped"], "captured"),
    paid("delivered", &["reserved", "paid", "packed", "shipped", "delivered"], "captured"),
    Story {
        cancellation: Some("refused"),
        ..paid("too_late", &["reserved", "paid", "packed", "shipped", "cancel_refused"], "captured")
    },
    Story { reason: Some("out_of_stock"), ..story("short", &["rejected"]) },
    Story { reason: Some("product_unavailable"), ..story("gone", &["rejected"]) },
    Story { reason: Some("internal"), ..story("given_up", &["rejected"]) },
    Story {
        reason: Some("declined"),
        method: "tok_decline_no_funds",
        ..paid("declined", &["reserved", "payment_failed"], "declined")
    },
    Story {
        reason: Some("gateway_unavailable"),
        ..paid("silent", &["reserved", "payment_failed"], "void_due")
    },
    Story {
        reason: Some("gateway_unavailable"),
        ..paid("silent_voided", &["reserved", "payment_failed"], "voided")
    },
    Story { cancellation: Some("cancelled"), ..story("cancelled_first", &["cancelled"]) },
    Story {
        cancellation: Some("cancelled"),
        ..paid("cancelled", &["reserved", "paid", "cancelled"], "void_due")
    },
    Story {
        cancellation: Some("cancelled"),
        ..paid("cancelled_voided", &["reserved", "paid", "packed", "cancelled"], "voided")
    },
    Story {
        cancellation: Some("cancelled"),
        method: "tok_decline_late",
        ..paid("cancelled_declined", &["reserved", "cancelled"], "declined")
    },
];

const TABLES: [&str; 14] = [
    "outbox",
    "cancellations",
    "payment_attempts",
    "payments",
    "order_history",
    "order_lines",
    "orders",
    "checkouts",
    "cart_lines",
    "carts",
    "stock_ledger",
    "stock",
    "products",
    "users",
];

/// A payment of the shop, for the gateway's ledger.
pub(crate) struct Paid {
    pub(crate) story: &'static Story,
    pub(crate) payment: PaymentId,
    pub(crate) amount: i64,
}

/// Empties the shop and fills it again; answers the payments of its orders.
pub(crate) async fn fill(conn: &mut MySqlConnection) -> Vec<Paid> {
    run(conn, "begin").await;
    for table in TABLES {
        run(conn, &format!("delete from {table}")).await;
    }
    let buyer = UserId::mint();
    let id = format!("unhex('{}')", buyer.hex());
    run(conn, &format!("insert into users (id, email, password_hash, role, created_at) values ({id}, 'b@x', 'x', 'user', now(6))")).await;
    run(conn, &format!("insert into carts (user_id, version) values ({id}, 30)")).await;
    let products = [ProductId::mint(), ProductId::mint(), ProductId::mint()];
    for (product, sku) in products.iter().zip(["MUG", "TEE-Größe", "NONE"]) {
        stock_product(conn, *product, &sku.replace("öß", "o")).await;
    }
    run(
        conn,
        &format!(
            "insert into cart_lines (user_id, product_id, quantity, price, added_at) \
             values ({id}, unhex('{}'), 1, 5, now(6))",
            products[0].hex()
        ),
    )
    .await;
    let lines = [line(products[1], "TEE-Groe", 2, 1250), line(products[0], "MUG", 3, 5)];
    let mut payments = vec![];
    for story in STORIES {
        payments.extend(place(conn, buyer, story, &lines).await);
    }
    run(
        conn,
        &format!(
            "update carts set last_order = \
             (select order_id from checkouts where idempotency_key = 'h:accepted') where user_id = {id}"
        ),
    )
    .await;
    run(
        conn,
        "insert into outbox (id, kind, order_id, request_id, owner, lease_until, created_at) \
         select order_id, 'order.checkout.v1', order_id, 'req-12345678', order_id, now(6), now(6) \
         from checkouts where idempotency_key = 'h:accepted'",
    )
    .await;
    let holding = "select order_id, product_id, quantity from order_lines l join orders o on o.id = l.order_id \
         where o.status in ('reserved', 'paid', 'packed', 'shipped', 'delivered')";
    run(
        conn,
        &format!(
            "update stock s join (select product_id, cast(sum(quantity) as signed) as held \
             from ({holding}) h group by product_id) t on t.product_id = s.product_id \
             set s.available = s.available - t.held"
        ),
    )
    .await;
    run(conn, "commit").await;
    payments
}

/// Runs one or more statements.
pub(crate) async fn run(conn: &mut MySqlConnection, sql: &str) {
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await;
    outcome.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

fn line(product_id: ProductId, sku: &str, quantity: u32, price: i64) -> SnapshotLine {
    let name = format!("Größe \"{sku}\" – 漢字 🙂");
    SnapshotLine { product_id, sku: sku.to_owned(), name, quantity, price }
}

async fn stock_product(conn: &mut MySqlConnection, product: ProductId, sku: &str) {
    let id = format!("unhex('{}')", product.hex());
    let initial = if sku == "NONE" { 0 } else { 500 };
    run(conn, &format!("insert into products (id, sku, name, description, price, version, created_at, updated_at) values ({id}, '{sku}', 'x', '', 5, 1, now(6), now(6))")).await;
    run(conn, &format!("insert into stock (product_id, available) values ({id}, {initial})")).await;
    run(conn, &format!("insert into stock_ledger (id, product_id, delta, reason, adjusted_at) values ({id}, {id}, {initial}, 'initial stock', now(6))")).await;
}

async fn place(
    conn: &mut MySqlConnection,
    buyer: UserId,
    story: &'static Story,
    lines: &[SnapshotLine],
) -> Option<Paid> {
    let order = OrderId::mint();
    let total = snapshot::total(lines).unwrap();
    assert_eq!(Some(total), money::total(lines.iter().map(|line| (line.price, line.quantity))));
    let waiting = story.path.is_empty();
    // What has ended may be old; what is unfinished is not.
    let age = if waiting || story.payment == Some("pending") { 1 } else { 5000 };
    sqlx::query(
        "insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, `lines`, \
           total, request_id, accepted_at, consumed_at, wake_at) \
         values (?, ?, ?, repeat('x', 32), ?, ?, ?, 'req-12345678', now(6) - interval ? second, \
           if(?, null, now(6)), if(?, now(6), null))",
    )
    .bind(order)
    .bind(buyer)
    .bind(format!("h:{}", story.name))
    .bind(story.method)
    .bind(snapshot::write(lines))
    .bind(total)
    .bind(age)
    .bind(waiting)
    .bind(waiting)
    .execute(&mut *conn)
    .await
    .unwrap();
    if let Some(outcome) = story.cancellation {
        let outcome = Some(outcome).filter(|outcome| *outcome != "undecided");
        cancellation(conn, order, outcome).await;
    }
    if waiting {
        return None;
    }
    order_rows(conn, order, buyer, story, lines, total).await;
    let payment = PaymentId::mint();
    pay(conn, payment, order, story, total, age).await.then_some(Paid {
        story,
        payment,
        amount: total,
    })
}

async fn order_rows(
    conn: &mut MySqlConnection,
    order: OrderId,
    buyer: UserId,
    story: &Story,
    lines: &[SnapshotLine],
    total: i64,
) {
    let mut status = "accepted";
    for (place, event) in std::iter::once(&"accepted").chain(story.path).enumerate() {
        status = if *event == "cancel_refused" { status } else { event };
        sqlx::query(
            "insert into order_history (order_id, version, status, event, actor, at) \
             values (?, ?, ?, ?, 'worker', now(6))",
        )
        .bind(order)
        .bind(i64::try_from(place + 1).unwrap())
        .bind(status)
        .bind(*event)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    let shortfall = (story.reason == Some("out_of_stock")).then_some("[{\"available\":0}]");
    sqlx::query(
        "insert into orders (id, user_id, status, reason, shortfall, total, version, created_at, updated_at) \
         values (?, ?, ?, ?, ?, ?, ?, now(6), now(6))",
    )
    .bind(order)
    .bind(buyer)
    .bind(status)
    .bind(story.reason)
    .bind(shortfall)
    .bind(total)
    .bind(i64::try_from(story.path.len() + 1).unwrap())
    .execute(&mut *conn)
    .await
    .unwrap();
    for line in lines {
        sqlx::query(
            "insert into order_lines (order_id, product_id, sku, name, quantity, price) \
             values (?, ?, ?, ?, ?, ?)",
        )
        .bind(order)
        .bind(line.product_id)
        .bind(&line.sku)
        .bind(&line.name)
        .bind(line.quantity)
        .bind(line.price)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
}

async fn pay(
    conn: &mut MySqlConnection,
    payment: PaymentId,
    order: OrderId,
    story: &Story,
    amount: i64,
    age: i32,
) -> bool {
    let Some(status) = story.payment else { return false };
    sqlx::query(
        "insert into payments (id, order_id, status, method, amount, decline_reason, wake_at, \
           created_at, updated_at) \
         values (?, ?, ?, ?, ?, if(? = 'declined', 'no', null), \
           if(? in ('pending', 'void_due'), now(6), null), now(6) - interval ? second, now(6))",
    )
    .bind(payment)
    .bind(order)
    .bind(status)
    .bind(story.method)
    .bind(amount)
    .bind(status)
    .bind(status)
    .bind(age)
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::query(
        "insert into payment_attempts (payment_id, attempt, call_kind, outcome, at) \
         values (?, 1, 'charge', 'timed_out', now(6))",
    )
    .bind(payment)
    .execute(conn)
    .await
    .unwrap();
    true
}

async fn cancellation(conn: &mut MySqlConnection, order: OrderId, outcome: Option<&str>) {
    sqlx::query(
        "insert into cancellations (order_id, requested_by, request_id, requested_at, outcome, decided_at, wake_at) \
         values (?, 'buyer', 'req-12345678', now(6) - interval ? second, ?, if(?, now(6), null), if(?, null, now(6)))",
    )
    .bind(order)
    .bind(if outcome.is_some() { 5000 } else { 1 })
    .bind(outcome)
    .bind(outcome.is_some())
    .bind(outcome.is_some())
    .execute(conn)
    .await
    .unwrap();
}

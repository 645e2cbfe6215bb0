//! Reads against a real database.

use sqlx::Connection as _;

use super::{Filter, OrderView, Wish, store};
use crate::cancellation::Outcome;
use crate::checkout::{self, Checkout, SnapshotLine, snapshot};
use crate::clock;
use crate::db::Db;
use crate::db::batch::Locks;
use crate::db::scratch::with_database;
use crate::id::{OrderId, PaymentId, ProductId, UserId};
use crate::order::Status;
use crate::order::store::{Change, NewOrder, insert, save};
use crate::payment::PaymentStatus;
use crate::stock::Shortfall;

async fn accepted(db: &Db, user: UserId) -> Checkout {
    let (id, at) = (OrderId::mint(), clock::now());
    let line = SnapshotLine {
        product_id: ProductId::mint(),
        sku: "CAKE".to_owned(),
        name: "Cake \u{1f9c1}".to_owned(),
        quantity: 2,
        price: 450,
    };
    sqlx::query(
        "insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, \
         `lines`, total, request_id, accepted_at, wake_at) \
         values (?, ?, ?, repeat('x', 32), 'tok_approve', ?, 900, 'request-1', ?, now(6))",
    )
    .bind(id)
    .bind(user)
    .bind(id.to_string())
    .bind(snapshot::write(&[line]))
    .bind(at)
    .execute(db.pool())
    .await
    .unwrap();
    let mut conn = db.connect().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    checkout::store::lock(&mut tx, &[id], Locks::Wait).await.unwrap().remove(0)
}

async fn decided(db: &Db, checkout: &Checkout, status: Status, shortfall: Option<String>) {
    let lines = snapshot::read(&checkout.lines).unwrap();
    let new = NewOrder {
        id: checkout.order_id,
        user_id: checkout.user_id,
        status,
        reason: (status == Status::Rejected).then_some("out_of_stock"),
        shortfall,
        lines: &lines,
        total: checkout.total,
        accepted_at: checkout.accepted_at,
        actor: "worker",
        note: None,
        at: clock::now(),
    };
    let mut conn = db.connect().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    insert(&mut tx, &[new]).await.unwrap();
    checkout::store::consume(&mut tx, &[checkout.order_id]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn found(db: &Db, id: OrderId, owner: Option<UserId>) -> Option<OrderView> {
    db.read(move |conn| Box::pin(store::find(conn, id, owner))).await.unwrap()
}

async fn find(db: &Db, id: OrderId) -> OrderView {
    found(db, id, None).await.unwrap()
}

#[tokio::test]
async fn an_order_reads_as_accepted_until_a_worker_has_decided() {
    with_database(async |db| {
        let user = UserId::mint();
        let checkout = accepted(&db, user).await;
        let id = checkout.order_id;
        assert_eq!(find(&db, id).await, OrderView::accepted(&checkout));
        assert!(found(&db, id, Some(UserId::mint())).await.is_none());
        assert!(found(&db, id, Some(user)).await.is_some());
        let short = Shortfall {
            product_id: snapshot::read(&checkout.lines).unwrap()[0].product_id,
            sku: "CAKE".to_owned(),
            requested: 2,
            available: 1,
        };
        let shortfall = serde_json::to_string(&[&short]).unwrap();
        decided(&db, &checkout, Status::Rejected, Some(shortfall)).await;
        let order = find(&db, id).await;
        assert_eq!((order.head.status, order.head.version), (Status::Rejected, 2));
        assert_eq!(order.head.reason.as_deref(), Some("out_of_stock"));
        assert_eq!(order.shortfall, [short]);
        assert_eq!(order.lines[0].name, "Cake \u{1f9c1}");
        assert_eq!(order.head.accepted_at, checkout.accepted_at);
        let events: Vec<_> = order.history.iter().map(|entry| entry.event.as_str()).collect();
        assert_eq!(events, ["accepted", "rejected"]);
    })
    .await;
}

#[tokio::test]
async fn payment_and_wish_are_shown_and_each_changes_the_tag() {
    with_database(async |db| {
        let checkout = accepted(&db, UserId::mint()).await;
        let id = checkout.order_id;
        let mut tags = vec![find(&db, id).await.head.tag()];
        decided(&db, &checkout, Status::Reserved, None).await;
        tags.push(find(&db, id).await.head.tag());
        sqlx::query(
            "insert into payments (id, order_id, status, method, amount, decline_reason, created_at, \
             updated_at) values (?, ?, 'declined', 'tok_approve', 900, 'no_funds', now(6), now(6))",
        )
        .bind(PaymentId::mint())
        .bind(id)
        .execute(db.pool())
        .await
        .unwrap();
        tags.push(find(&db, id).await.head.tag());
        sqlx::query(
            "insert into cancellations (order_id, requested_by, reason, request_id, requested_at) \
             values (?, 'buyer', 'trop cher \u{1f4b8}', 'request-2', ?)",
        )
        .bind(id)
        .bind(checkout.accepted_at)
        .execute(db.pool())
        .await
        .unwrap();
        tags.push(find(&db, id).await.head.tag());
        let mut conn = db.connect().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        crate::cancellation::store::decide(&mut tx, &[(id, Outcome::Refused)]).await.unwrap();
        let change = Change {
            id,
            status: Status::PaymentFailed,
            version: 3,
            reason: Some("declined"),
            event: "payment_failed",
            actor: "worker",
            note: Some("no_funds"),
            at: clock::now(),
        };
        save(&mut tx, &[change]).await.unwrap();
        tx.commit().await.unwrap();
        let order = find(&db, id).await;
        tags.push(order.head.tag());
        let payment = order.head.payment.unwrap();
        assert_eq!(payment.status, PaymentStatus::Declined);
        assert_eq!(payment.decline_reason.as_deref(), Some("no_funds"));
        let reason = Some("trop cher \u{1f4b8}".to_owned());
        let (requested_at, outcome) = (checkout.accepted_at, Some(Outcome::Refused));
        assert_eq!(order.head.cancellation, Some(Wish { requested_at, reason, outcome }));
        assert_eq!(order.history[2].reason.as_deref(), Some("no_funds"));
        let different: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(different.len(), tags.len(), "{tags:?}");
    })
    .await;
}

#[tokio::test]
async fn each_filter_finds_what_it_says_before_the_place_that_it_names() {
    with_database(async |db| {
        let (one, two) = (UserId::mint(), UserId::mint());
        let mut checkouts = Vec::new();
        for user in [one, two, one, two, one, two] {
            checkouts.push(accepted(&db, user).await);
        }
        for checkout in &checkouts[..4] {
            decided(&db, checkout, Status::Reserved, None).await;
        }
        let ids: Vec<_> = checkouts.iter().map(|checkout| checkout.order_id).collect();
        let product = snapshot::read(&checkouts[2].lines).unwrap()[0].product_id;
        let found = async |filter: Filter, limit| -> Vec<usize> {
            let page =
                db.read(move |conn| Box::pin(store::page(conn, filter, limit))).await.unwrap();
            page.iter().map(|head| ids.iter().position(|id| *id == head.id).unwrap()).collect()
        };
        let all = Filter::default();
        let (status, before) = (Some(Status::Reserved), Some(ids[3]));
        assert_eq!(found(all, 9).await, [5, 4, 3, 2, 1, 0]);
        assert_eq!(found(Filter { before, ..all }, 2).await, [2, 1]);
        assert_eq!(found(Filter { status, ..all }, 9).await, [3, 2, 1, 0]);
        assert_eq!(found(Filter { status, before, ..all }, 2).await, [2, 1]);
        assert_eq!(found(Filter { status: Some(Status::Accepted), ..all }, 9).await, [5, 4]);
        assert_eq!(found(Filter { user: Some(one), ..all }, 9).await, [4, 2, 0]);
        assert_eq!(found(Filter { user: Some(one), status, before, ..all }, 9).await, [2, 0]);
        let product = Some(product);
        assert_eq!(found(Filter { product, ..all }, 9).await, [2]);
        assert_eq!(found(Filter { product, user: Some(one), status, ..all }, 9).await, [2]);
        assert!(found(Filter { product, user: Some(two), ..all }, 9).await.is_empty());
    })
    .await;
}

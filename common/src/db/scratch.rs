//! For tests: a database of a test's own, migrated, and dropped when the test ends.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::{Db, migrate};
use crate::id::{OrderId, ProductId, UserId};

const MISSING: &str = "DATABASE_URL is not set: run the tests with `cargo xtask test`";

/// Runs the test in an empty, migrated database `omtest_<random>`, which it drops whatever happens.
pub(crate) async fn with_database<T>(test: impl AsyncFnOnce(Db) -> T) -> T {
    with_pool_of(10, test).await
}

/// As [`with_database`], with so many connections in the pool.
pub(crate) async fn with_pool_of<T>(connections: u32, test: impl AsyncFnOnce(Db) -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "a test's servers are named by the environment")]
    let server = std::env::var("DATABASE_URL").expect(MISSING);
    let name = format!("omtest_{}", OrderId::mint().hex());
    let (server_part, _) = server.rsplit_once('/').expect("the URL names a database");
    let admin = Db::new(&server, 1).expect("the URL reads");
    let mut admin = admin.connect().await.expect("the server answers");
    let run = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    run(format!("create database {name} character set utf8mb4")).execute(&mut admin).await.unwrap();
    let db = Db::new(&format!("{server_part}/{name}"), connections).unwrap();
    migrate(&db).await.unwrap();
    let outcome = AssertUnwindSafe(test(db.clone())).catch_unwind().await;
    db.close().await;
    run(format!("drop database {name}")).execute(&mut admin).await.unwrap();
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// An account with a cart.
pub(crate) async fn buyer(db: &Db) -> UserId {
    let user = UserId::mint();
    sqlx::query(
        "insert into users (id, email, password_hash, role, created_at) values (?, ?, '', 'user', now(6))",
    )
    .bind(user)
    .bind(format!("{user}@example.org"))
    .execute(db.pool())
    .await
    .unwrap();
    sqlx::query("insert into carts (user_id, version) values (?, 0)")
        .bind(user)
        .execute(db.pool())
        .await
        .unwrap();
    user
}

/// A product that is sold.
pub(crate) async fn product(db: &Db, name: &str, price: i64, available: i64) -> ProductId {
    shelf(db, 1, name, price, available).await[0]
}

/// That many products that are sold, each dearer than the one before by 1.
pub(crate) async fn shelf(
    db: &Db,
    count: i64,
    name: &str,
    price: i64,
    available: i64,
) -> Vec<ProductId> {
    let mut tx = db.pool().begin().await.unwrap();
    let mut products = Vec::new();
    for price in price..price + count {
        let product = ProductId::mint();
        sqlx::query(
            "insert into products (id, sku, name, description, price, version, created_at, updated_at) \
             values (?, ?, ?, '', ?, 1, now(6), now(6))",
        )
        .bind(product)
        .bind(product.to_string())
        .bind(name)
        .bind(price)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query("insert into stock (product_id, available) values (?, ?)")
            .bind(product)
            .bind(available)
            .execute(&mut *tx)
            .await
            .unwrap();
        products.push(product);
    }
    tx.commit().await.unwrap();
    products
}

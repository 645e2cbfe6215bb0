//! For tests: a database of a test's own, migrated, and dropped when the test ends.

use ordermill_scratch::Database;

use super::{Db, migrate};
use crate::id::{ProductId, UserId};

/// Runs the test in a migrated database of its own, which is dropped whatever happens.
pub(crate) async fn with_database<T>(test: impl AsyncFnOnce(Db) -> T) -> T {
    with_pool_of(10, test).await
}

/// As [`with_database`], with so many connections in the pool.
pub(crate) async fn with_pool_of<T>(connections: u32, test: impl AsyncFnOnce(Db) -> T) -> T {
    let database = Database::create().await;
    let db = Db::new(&database.url(), connections).unwrap();
    migrate(&db).await.unwrap();
    let outcome = test(db.clone()).await;
    db.close().await;
    database.remove().await;
    outcome
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

//! A database with the shop's schema, of a story's own.

use ordermill_common::db::{self, Db};

pub use ordermill_scratch::{Database, fresh_name, server};

/// A migrated one on the tests' server.
pub async fn migrated(name: &str) -> Database {
    migrated_on(server("DATABASE_URL"), name).await
}

/// A migrated one on the server of this URL.
pub async fn migrated_on(server: String, name: &str) -> Database {
    let database = Database::create_on(server, name).await;
    db::migrate(&door_to(&database)).await.expect("cannot migrate");
    database
}

/// A door to it.
pub fn door_to(database: &Database) -> Db {
    Db::new(&database.url(), 4).expect("the URL was used before")
}

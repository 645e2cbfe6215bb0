//! The statements of `verify`, and the one transaction in which they all read. Nothing is written or locked.

use std::time::Duration;

use futures::TryStreamExt as _;
use ordermill_common::db::{Db, Result, batch};
use ordermill_common::id::{PaymentId, ProductId};
use ordermill_common::order::{Applied, Move, Status};
use ordermill_common::payment::PaymentStatus;
use serde::Serialize;
use sqlx::types::Uuid;
use sqlx::{MySqlConnection, Row as _};

use super::VerifyError;
use super::invariant::{Invariant, Takes};
use super::report::{Counts, Finding};

mod cancellations;
mod history;
mod orders;
mod payments;
mod references;
mod stock;
mod unfinished;

/// Small enough that a page of the largest carts fits into memory.
const PAGE: u32 = 500;
const PAYMENTS_PAGE: u32 = 10_000;

/// Every invariant that is one statement, stock first.
pub(super) fn all() -> impl Iterator<Item = &'static Invariant> {
    let rooms: [&'static [Invariant]; 7] = [
        stock::ALL,
        orders::ALL,
        payments::ALL,
        history::ALL,
        cancellations::ALL,
        references::ALL,
        unfinished::ALL,
    ];
    rooms.into_iter().flatten()
}

/// The database at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    conn: MySqlConnection,
}

/// A checkout's snapshot as it is stored.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct StoredSnapshot {
    pub(super) order_id: Uuid,
    pub(super) lines: String,
    pub(super) total: i64,
    pub(super) has_order: bool,
    /// The order was rejected because it could not be handled.
    pub(super) given_up: bool,
}

/// A line of an order.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct OrderLine {
    pub(super) order_id: Uuid,
    pub(super) product_id: ProductId,
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) quantity: i32,
    pub(super) price: i64,
}

/// A payment, as far as the gateway's ledger knows of it.
#[derive(Debug)]
pub(super) struct StoredPayment {
    pub(super) id: PaymentId,
    pub(super) status: PaymentStatus,
    pub(super) amount: i64,
}

impl Snapshot {
    /// Takes the snapshot: the reads that follow all see this moment.
    pub(super) async fn open(db: &Db) -> Result<Self> {
        let mut conn = db.connect().await?;
        sqlx::raw_sql("set transaction isolation level repeatable read").execute(&mut conn).await?;
        sqlx::raw_sql("start transaction with consistent snapshot, read only")
            .execute(&mut conn)
            .await?;
        Ok(Self { conn })
    }

    /// Ends the transaction.
    pub(super) async fn close(self) {
        // It only read: a connection that cannot be closed in order is closed all the same.
        let _ = sqlx::Connection::close(self.conn).await;
    }

    /// How much there is.
    pub(super) async fn counts(&mut self) -> Result<Counts> {
        let row = sqlx::query(
            "select (select count(*) from products) as products, \
               (select count(*) from checkouts) as checkouts, \
               (select count(*) from orders) as orders, \
               (select count(*) from payments) as payments",
        )
        .fetch_one(&mut self.conn)
        .await?;
        Ok(Counts {
            products: row.try_get("products")?,
            checkouts: row.try_get("checkouts")?,
            orders: row.try_get("orders")?,
            payments: row.try_get("payments")?,
        })
    }

    /// Looks for what breaks the invariant.
    pub(super) async fn offenders(
        &mut self,
        invariant: &Invariant,
        limit: Duration,
    ) -> std::result::Result<Finding, VerifyError> {
        let mut query = sqlx::query_as::<_, (Uuid, Option<String>)>(invariant.sql);
        query = match invariant.takes {
            Takes::Nothing => query,
            Takes::Limit => query.bind(limit.as_secs()),
            Takes::Moves => query.bind(moves()),
        };
        let mut finding = Finding::new(invariant.name, invariant.says);
        let failed = |source| VerifyError::Invariant { invariant: invariant.name, source };
        let mut rows = query.fetch(&mut self.conn);
        while let Some((id, detail)) = rows.try_next().await.map_err(failed)? {
            finding.offend(invariant.of, id, detail.as_deref());
        }
        Ok(finding)
    }

    /// A page of snapshots in the order of their ids, after this one.
    pub(super) async fn snapshots_after(&mut self, after: Uuid) -> Result<Vec<StoredSnapshot>> {
        Ok(sqlx::query_as(
            "select c.order_id, c.`lines`, c.total, \
               o.id is not null as has_order, \
               (o.status <=> 'rejected' and o.reason <=> 'internal') as given_up \
             from checkouts c \
             left join orders o on o.id = c.order_id \
             where c.order_id > ? \
             order by c.order_id \
             limit ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut self.conn)
        .await?)
    }

    /// The lines of the orders after the first id up to the last, by order and product.
    pub(super) async fn lines_between(
        &mut self,
        after: Uuid,
        last: Uuid,
    ) -> Result<Vec<OrderLine>> {
        Ok(sqlx::query_as(
            "select order_id, product_id, sku, name, quantity, price \
             from order_lines \
             where order_id > ? and order_id <= ? \
             order by order_id, product_id",
        )
        .bind(after)
        .bind(last)
        .fetch_all(&mut self.conn)
        .await?)
    }

    /// A page of payments in the order of their ids, after this one.
    pub(super) async fn payments_after(&mut self, after: PaymentId) -> Result<Vec<StoredPayment>> {
        let rows: Vec<(PaymentId, String, i64)> = sqlx::query_as(
            "select id, status, amount \
             from payments \
             where id > ? \
             order by id \
             limit ?",
        )
        .bind(after)
        .bind(PAYMENTS_PAGE)
        .fetch_all(&mut self.conn)
        .await?;
        let stored = |(id, status, amount): (PaymentId, String, i64)| {
            Ok(StoredPayment { id, status: PaymentStatus::read(&status)?, amount })
        };
        rows.into_iter().map(stored).collect()
    }
}

#[derive(Serialize)]
struct Step {
    from: &'static str,
    to: &'static str,
}

/// The table of moves as a batch parameter: each pair of statuses that one legal move joins.
fn moves() -> String {
    let steps: Vec<Step> = Status::ALL
        .into_iter()
        .flat_map(|from| Move::ALL.into_iter().map(move |step| (from, from.apply(step))))
        .filter_map(|(from, applied)| match applied {
            Ok(Applied::Now(to)) => Some(Step { from: from.as_str(), to: to.as_str() }),
            Ok(Applied::Before) | Err(_) => None,
        })
        .collect();
    batch::json(&steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_name_the_statuses_that_hold_stock() {
        let holding: Vec<_> = Status::ALL
            .into_iter()
            .filter(|status| status.holds_stock())
            .map(|status| format!("'{status}'"))
            .collect();
        assert!(stock::ALL[0].sql.contains(&format!("in ({})", holding.join(", "))));
    }

    #[test]
    fn every_invariant_has_a_name_of_its_own() {
        let mut names: Vec<_> = all().map(|invariant| invariant.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

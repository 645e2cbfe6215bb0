//! The statements of accepting: keys and earlier checkouts are read, new ones are inserted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::plan::{Known, New};
use crate::checkout::Checkout;
use crate::checkout::store::Row;
use crate::db::batch;
use crate::db::{Error, Result, Tx};
use crate::id::{OrderId, UserId};

/// What one statement's parameter holds at most, but for a single larger checkout.
const PARAMETER_BYTES: usize = 2 * 1024 * 1024;

#[derive(Serialize)]
struct KeyRow<'a> {
    u: String,
    k: &'a str,
}

#[derive(sqlx::FromRow)]
struct KnownRow {
    idempotency_key: String,
    fingerprint: Vec<u8>,
    #[sqlx(flatten)]
    checkout: Row,
}

const KEYS: &str = "\
select t.idempotency_key, t.fingerprint, t.order_id, t.user_id, t.`lines`, t.payment_method,
  t.total, t.request_id, t.accepted_at, t.consumed_at
from json_table(?, '$[*]' columns (
  u char(32) character set ascii path '$.u',
  k varchar(202) character set ascii collate ascii_bin path '$.k')) j
straight_join checkouts t force index (checkouts_key)
  on t.user_id = unhex(j.u) and t.idempotency_key = j.k";

/// The checkouts that these keys stand for already. The buyers' carts must be locked: then nobody else
/// stores one of them.
pub(super) async fn known(
    tx: &mut Tx<'_>,
    keys: &BTreeSet<(UserId, String)>,
) -> Result<HashMap<(UserId, String), Known>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<_> = keys.iter().map(|(user, key)| KeyRow { u: user.hex(), k: key }).collect();
    let rows: Vec<KnownRow> =
        sqlx::query_as(KEYS).bind(batch::json(&asked)).fetch_all(&mut **tx).await?;
    rows.into_iter()
        .map(|row| {
            let fingerprint = row.fingerprint.try_into();
            let fingerprint = fingerprint
                .map_err(|_| Error::Impossible("a fingerprint of another length".to_owned()))?;
            let checkout = Arc::new(Checkout::try_from(row.checkout)?);
            Ok(((checkout.user_id, row.idempotency_key), Known { fingerprint, checkout }))
        })
        .collect()
}

const ORDERS: &str = "\
select t.order_id, t.user_id, t.`lines`, t.payment_method, t.total, t.request_id, t.accepted_at,
  t.consumed_at
from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j
straight_join checkouts t force index (primary) on t.order_id = unhex(j.id)";

/// Those of these checkouts that are there, without locks.
pub(super) async fn orders(
    tx: &mut Tx<'_>,
    ids: &BTreeSet<OrderId>,
) -> Result<HashMap<OrderId, Arc<Checkout>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = sqlx::query_as(ORDERS)
        .bind(batch::ids(ids.iter().map(|id| id.uuid())))
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter()
        .map(|row| Checkout::try_from(row).map(|checkout| (checkout.order_id, Arc::new(checkout))))
        .collect()
}

#[derive(Serialize)]
struct NewRow<'a> {
    id: String,
    u: String,
    k: &'a str,
    fingerprint: String,
    method: &'a str,
    lines: &'a str,
    total: i64,
    request: &'a str,
    at: String,
}

const INSERT: &str = "\
insert into checkouts (order_id, user_id, idempotency_key, fingerprint, payment_method, `lines`,
  total, request_id, accepted_at, wake_at)
select unhex(j.id), unhex(j.u), j.k, unhex(j.fingerprint), j.method, j.`lines`,
  j.total, j.request, j.at, date_add(now(6), interval 30 second)
from json_table(?, '$[*]' columns (
  id char(32) character set ascii path '$.id',
  u char(32) character set ascii path '$.u',
  k varchar(202) character set ascii collate ascii_bin path '$.k',
  fingerprint char(64) character set ascii path '$.fingerprint',
  method varchar(64) character set ascii collate ascii_bin path '$.method',
  `lines` mediumtext character set utf8mb4 collate utf8mb4_bin path '$.lines',
  total bigint path '$.total',
  request varchar(128) character set ascii collate ascii_bin path '$.request',
  at char(26) character set ascii path '$.at')) j";

/// Stores new checkouts, to be woken in 30 s if no message reaches a worker before.
pub(super) async fn insert(tx: &mut Tx<'_>, new: &[New]) -> Result<()> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for new in new {
        let row = row(new);
        if !rows.is_empty() && bytes + row.lines.len() > PARAMETER_BYTES {
            insert_rows(tx, &rows).await?;
            (rows, bytes) = (Vec::new(), 0);
        }
        bytes += row.lines.len();
        rows.push(row);
    }
    insert_rows(tx, &rows).await
}

fn row(new: &New) -> NewRow<'_> {
    let checkout = &new.known.checkout;
    NewRow {
        id: checkout.order_id.hex(),
        u: checkout.user_id.hex(),
        k: &new.key,
        fingerprint: hex(&new.known.fingerprint),
        method: &checkout.payment_method,
        lines: &checkout.lines,
        total: checkout.total,
        request: checkout.request_id.as_str(),
        at: batch::time(checkout.accepted_at),
    }
}

async fn insert_rows(tx: &mut Tx<'_>, rows: &[NewRow<'_>]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let outcome = sqlx::query(INSERT).bind(batch::json(rows)).execute(&mut **tx).await?;
    batch::touched("inserting checkouts", rows.len(), &outcome)
}

fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! The statements of the table `outbox`.

use std::time::Duration;

use serde::Serialize;
use sqlx::MySqlConnection;

use super::{LEASE, OutboxRow};
use crate::broker::Kind;
use crate::db::{Result, Tx, batch, wake};
use crate::id::{MessageId, OrderId, OwnerId};

/// Most rows that are claimed at once.
pub const CLAIM: u32 = 512;

type ClaimedRow = (MessageId, String, OrderId, String);

#[derive(Serialize)]
struct Row {
    id: String,
    kind: &'static str,
    order_id: String,
    request_id: String,
}

/// Adds the rows, leased to `owner` for [`LEASE`]. Rows are only added here, never waited for.
pub async fn insert(tx: &mut Tx<'_>, owner: OwnerId, rows: &[OutboxRow]) -> Result<()> {
    insert_leased(tx, owner, LEASE, rows).await
}

/// As [`insert`], with a lease of another length; to the millisecond.
pub async fn insert_leased(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
    rows: &[OutboxRow],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let values: Vec<Row> = rows
        .iter()
        .map(|row| Row {
            id: row.id.hex(),
            kind: row.kind.as_str(),
            order_id: row.order_id.hex(),
            request_id: row.request_id.as_str().to_owned(),
        })
        .collect();
    let outcome = sqlx::query(
        "insert into outbox (id, kind, order_id, request_id, owner, lease_until, created_at) \
         select unhex(j.id), j.kind, unhex(j.order_id), j.request_id, ?, \
         now(6) + interval ? microsecond, now(6) \
         from json_table(?, '$[*]' columns ( \
         id char(32) character set ascii path '$.id', \
         kind varchar(40) character set ascii collate ascii_bin path '$.kind', \
         order_id char(32) character set ascii path '$.order_id', \
         request_id varchar(128) character set ascii collate ascii_bin path '$.request_id')) j",
    )
    .bind(owner)
    .bind(wake::micros(lease))
    .bind(batch::json(&values))
    .execute(&mut **tx)
    .await?;
    batch::touched("insert outbox", rows.len(), &outcome)
}

/// Removes the rows that are still there. Fewer than asked for is normal: a relay that took an expired
/// row over may have removed it.
pub async fn delete(conn: &mut MySqlConnection, ids: &[MessageId]) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let outcome = sqlx::query(
        "delete t from json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join outbox t force index (primary) on t.id = unhex(j.id)",
    )
    .bind(batch::ids(ids.iter().map(|id| id.uuid())))
    .execute(conn)
    .await?;
    Ok(outcome.rows_affected())
}

/// Leases up to [`CLAIM`] rows to `owner` and returns them, longest expired first: those whose lease ran
/// out, and its own ones that have less than a third of a lease left, which its relay no longer remembers. The
/// latter only while they are young: a relay that cannot send must not keep them from the others.
/// They may be published once the caller has committed. Rows that another process is claiming, and kinds
/// that this binary does not know, are left alone.
pub async fn claim_expired(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
) -> Result<Vec<OutboxRow>> {
    // The index is forced because a scan of the table would lock every row that it meets.
    let rows: Vec<ClaimedRow> = sqlx::query_as(
        "select id, kind, order_id, request_id \
         from outbox force index (outbox_lease) \
         where lease_until < now(6) + interval ? microsecond \
         and (lease_until < now(6) \
           or (owner = ? and created_at > now(6) - interval ? microsecond)) \
         and find_in_set(kind, ?) > 0 \
         order by lease_until \
         limit ? \
         for update skip locked",
    )
    .bind(wake::micros(lease / 3))
    .bind(owner)
    .bind(wake::micros(lease * 2))
    .bind(known_kinds())
    .bind(CLAIM)
    .fetch_all(&mut **tx)
    .await?;
    take(tx, owner, lease, rows).await
}

/// Leases up to `limit` rows that belong to `gone`, a process that is no more, to `owner` and returns
/// them, on the terms of [`claim_expired`].
pub async fn claim_from(
    tx: &mut Tx<'_>,
    gone: OwnerId,
    owner: OwnerId,
    limit: u32,
) -> Result<Vec<OutboxRow>> {
    let rows: Vec<ClaimedRow> = sqlx::query_as(
        "select id, kind, order_id, request_id \
         from outbox force index (outbox_lease) \
         where lease_until >= now(6) \
         and owner = ? \
         and find_in_set(kind, ?) > 0 \
         order by lease_until \
         limit ? \
         for update skip locked",
    )
    .bind(gone)
    .bind(known_kinds())
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    take(tx, owner, LEASE, rows).await
}

fn known_kinds() -> String {
    Kind::ALL.map(|(_, name, _)| name).join(",")
}

async fn take(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    lease: Duration,
    rows: Vec<ClaimedRow>,
) -> Result<Vec<OutboxRow>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let outcome = sqlx::query(
        "update json_table(?, '$[*]' columns (id char(32) character set ascii path '$')) j \
         straight_join outbox t force index (primary) on t.id = unhex(j.id) \
         set t.owner = ?, t.lease_until = now(6) + interval ? microsecond",
    )
    .bind(batch::ids(rows.iter().map(|(id, ..)| id.uuid())))
    .bind(owner)
    .bind(wake::micros(lease))
    .execute(&mut **tx)
    .await?;
    batch::touched("claim outbox", rows.len(), &outcome)?;
    Ok(rows.into_iter().filter_map(readable).collect())
}

/// A row that nobody can have written must not keep the others from leaving; `verify` finds it, old.
fn readable((id, kind, order_id, request_id): ClaimedRow) -> Option<OutboxRow> {
    let (Ok(kind), Ok(request_id)) = (kind.parse(), request_id.parse()) else {
        tracing::error!(message.id = %id, "an outbox row cannot be read and is left alone");
        return None;
    };
    Some(OutboxRow { id, kind, order_id, request_id })
}

/// Adds one row unless a row with its id is there, which is then on its way already.
pub async fn insert_unless_there(tx: &mut Tx<'_>, owner: OwnerId, row: &OutboxRow) -> Result<()> {
    sqlx::query(
        "insert into outbox (id, kind, order_id, request_id, owner, lease_until, created_at) \
         values (?, ?, ?, ?, ?, now(6) + interval ? microsecond, now(6)) \
         on duplicate key update id = id",
    )
    .bind(row.id)
    .bind(row.kind.as_str())
    .bind(row.order_id)
    .bind(row.request_id.as_str())
    .bind(owner)
    .bind(wake::micros(LEASE))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

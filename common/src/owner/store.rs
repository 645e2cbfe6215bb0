//! The statements of the table `owners` and of the locks that stand behind its rows.

use sqlx::MySqlConnection;

use super::Role;
use crate::db::Result;
use crate::id::OwnerId;

/// Takes the owner's lock for this session unless another session holds it; answers whether it is held now.
pub(super) async fn lock(conn: &mut MySqlConnection, owner: OwnerId) -> Result<bool> {
    let held: Option<i64> = sqlx::query_scalar(
        "select coalesce(is_used_lock(?) = connection_id(), 0) or get_lock(?, 0)",
    )
    .bind(lock_name(owner))
    .bind(lock_name(owner))
    .fetch_one(conn)
    .await?;
    Ok(held == Some(1))
}

/// Registers the owner; the second time changes nothing. The caller holds its lock.
pub(super) async fn register(conn: &mut MySqlConnection, owner: OwnerId, role: Role) -> Result<()> {
    sqlx::query(
        "insert into owners (id, role, started_at) \
         values (?, ?, now(6)) \
         on duplicate key update id = id",
    )
    .bind(owner)
    .bind(role.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// The registered owners whose lock nobody holds.
pub async fn gone(conn: &mut MySqlConnection) -> Result<Vec<OwnerId>> {
    Ok(sqlx::query_scalar(
        "select id \
         from owners \
         where is_used_lock(concat('ordermill.', lower(hex(id)))) is null",
    )
    .fetch_all(conn)
    .await?)
}

/// Forgets an owner that is gone, once nothing is leased to it; one that has come back meanwhile stays.
pub async fn forget(conn: &mut MySqlConnection, owner: OwnerId) -> Result<()> {
    let forgetting = sqlx::query(
        "delete from owners \
         where id = ? \
         and is_used_lock(concat('ordermill.', lower(hex(id)))) is null",
    );
    forgetting.bind(owner).execute(conn).await?;
    Ok(())
}

/// Locks belong to the whole server: the id makes the name unique across its databases.
fn lock_name(owner: OwnerId) -> String {
    format!("ordermill.{}", owner.hex())
}

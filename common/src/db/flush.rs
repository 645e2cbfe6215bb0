//! Answers that rest on what was only read.
//!
//! `InnoDB` shows a commit to others once it is in memory, before it is flushed (unless the binary log is on, which
//! is flushed before). Who reads it in that moment could promise what a server that dies then takes back. A
//! commit that wrote anything flushes all that was committed before it.

use super::{Result, Tx};

/// Makes the commit of this transaction flush, and with it whatever the transaction has read. For answers
/// that repeat an earlier one; what has written something needs no call.
pub async fn what_was_read(tx: &mut Tx<'_>) -> Result<()> {
    // A row of this session's own: nobody waits for anybody.
    sqlx::query("insert into flushes (session) values (connection_id())")
        .execute(&mut **tx)
        .await?;
    sqlx::query("delete from flushes where session = connection_id()").execute(&mut **tx).await?;
    Ok(())
}

//! A connection of the pool that goes back whatever the network does.
//!
//! The pool pings what it gets back, without a limit, and keeps the connection's place until the answer. A link
//! that went silent after the last answer would take the place for as long as TCP hopes: a quarter of an hour.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection};

use super::{Db, Result};

/// Less than the pool lets anybody wait, so that who waits for the place still gets it.
const RETURN: Duration = Duration::from_secs(2);

/// A connection that is given back when this is dropped, behind the caller's back: nobody waits for it. One that
/// is not known to be in step is closed instead.
pub(super) struct Lent {
    conn: PoolConnection<MySql>,
    is_in_step: bool,
}

impl Db {
    pub(super) async fn lend(&self) -> Result<Lent> {
        Ok(Lent { conn: self.pool().acquire().await?, is_in_step: true })
    }
}

impl Lent {
    pub(super) fn out_of_step(&mut self) {
        self.is_in_step = false;
    }
}

impl Deref for Lent {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.conn
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The future that the pool's own drop spawns without a limit. Once it is dropped, before its end or
        // before it begins, the connection is closed and its place is free.
        let returning = self.conn.return_to_pool();
        if self.is_in_step {
            #[expect(clippy::disallowed_methods, reason = "short, and ends by itself")]
            tokio::spawn(tokio::time::timeout(RETURN, returning));
        }
    }
}

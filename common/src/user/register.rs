//! A new account and its cart, in one transaction. The unique key decides who was first.

use chrono::{DateTime, Utc};
use futures::FutureExt as _;

use super::store;
use super::{Email, PasswordHash, Role, User};
use crate::cart;
use crate::db::{Db, Result, Trouble, Tx};
use crate::id::UserId;

/// An account that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its e-mail.
    pub email: Email,
    /// What is kept of its password.
    pub hash: PasswordHash,
    /// What it may do.
    pub role: Role,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Registered {
    /// The account exists now.
    Done(User),
    /// Somebody has this e-mail already; nothing was written.
    EmailTaken,
}

/// Writes the account and its cart.
pub async fn register(db: &Db, new: NewUser) -> Result<Registered> {
    db.write(move |tx| {
        let new = new.clone();
        async move { register_in(tx, &new).await }.boxed()
    })
    .await
}

async fn register_in(tx: &mut Tx<'_>, new: &NewUser) -> Result<Registered> {
    match store::insert(tx, new).await {
        Ok(()) => cart::store::insert(tx, new.id).await?,
        Err(error) if error.trouble() == Trouble::Duplicate => {
            let owner = store::find_by_email(&mut **tx, &new.email).await?;
            // It is ours when an earlier run committed and its answer was lost.
            if owner.is_none_or(|(user, _)| user.id != new.id) {
                return Ok(Registered::EmailTaken);
            }
        }
        Err(error) => return Err(error),
    }
    Ok(Registered::Done(User {
        id: new.id,
        email: new.email.clone(),
        role: new.role,
        created_at: new.created_at,
    }))
}

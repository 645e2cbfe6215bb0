//! An account: an e-mail that identifies it, a password that opens it, a role that says what it may do.
//!
//! ```text
//! Email::parse, Password::parse -> Hasher::hash -> register (users + carts, one transaction)
//! Hasher::verify: the same work for a wrong password, an unknown e-mail and a password nobody can have
//! ```

mod email;
mod hasher;
mod password;
mod register;
mod role;
pub mod store;

use chrono::{DateTime, Utc};

pub use email::{BadEmail, Email};
pub use hasher::{Busy, Hasher};
pub use password::{BadPassword, Password, PasswordHash};
pub use register::{NewUser, Registered, register};
pub use role::{Role, UnknownRole};

use crate::id::UserId;

/// An account as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its e-mail, as it is stored.
    pub email: Email,
    /// What it may do.
    pub role: Role,
    /// Since when it exists.
    pub created_at: DateTime<Utc>,
}

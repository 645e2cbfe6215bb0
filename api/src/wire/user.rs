//! An account on the wire.

use chrono::{DateTime, Utc};
use ordermill_common::clock;
use ordermill_common::id::UserId;
use ordermill_common::user::{Role, User};
use serde::Serialize;

/// An account as its owner sees it.
#[derive(Debug, Serialize)]
pub struct UserBody {
    id: UserId,
    email: String,
    role: Role,
    #[serde(serialize_with = "clock::serialize")]
    created_at: DateTime<Utc>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            role: user.role,
            created_at: user.created_at,
        }
    }
}

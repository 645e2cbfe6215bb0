//! The statements of the table `users`.

use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlExecutor;

use super::{Email, NewUser, PasswordHash, Role, User};
use crate::db::{Error, Result, Tx};
use crate::id::UserId;

/// Writes the account. A taken e-mail is an error of the kind [`Trouble::Duplicate`](crate::db::Trouble).
pub async fn insert(tx: &mut Tx<'_>, new: &NewUser) -> Result<()> {
    sqlx::query(
        "insert into users (id, email, password_hash, role, created_at) \
         values (?, ?, ?, ?, ?)",
    )
    .bind(new.id)
    .bind(new.email.as_str())
    .bind(new.hash.text())
    .bind(new.role.as_str())
    .bind(new.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The account with this e-mail and what is kept of its password.
pub async fn find_by_email(
    from: impl MySqlExecutor<'_>,
    email: &Email,
) -> Result<Option<(User, PasswordHash)>> {
    let row: Option<Row> = sqlx::query_as(
        "select id, email, password_hash, role, created_at \
         from users \
         where email = ?",
    )
    .bind(email.as_str())
    .fetch_optional(from)
    .await?;
    row.map(Row::read).transpose()
}

/// The account with this id.
pub async fn find(from: impl MySqlExecutor<'_>, id: UserId) -> Result<Option<User>> {
    let row: Option<Row> = sqlx::query_as(
        "select id, email, password_hash, role, created_at \
         from users \
         where id = ?",
    )
    .bind(id)
    .fetch_optional(from)
    .await?;
    Ok(row.map(Row::read).transpose()?.map(|(user, _)| user))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    email: String,
    password_hash: String,
    role: String,
    created_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> Result<(User, PasswordHash)> {
        let impossible =
            |why: &dyn std::fmt::Display| Error::Impossible(format!("{}: {why}", self.id));
        let email = Email::parse(&self.email).map_err(|why| impossible(&why))?;
        let role: Role = self.role.parse().map_err(|why| impossible(&why))?;
        let user = User { id: self.id, email, role, created_at: self.created_at };
        Ok((user, PasswordHash::stored(self.password_hash)))
    }
}

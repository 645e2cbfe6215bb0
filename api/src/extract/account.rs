//! Who asks. The role that a route needs is in its handler's signature.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use ordermill_common::id::UserId;
use ordermill_common::user::Role;

use crate::problem::{Code, Problem};
use crate::state::AppState;

/// Anybody with a valid token, whatever the role.
#[derive(Debug, Clone, Copy)]
pub struct AuthUser {
    /// The account.
    pub id: UserId,
    /// What it may do.
    pub role: Role,
}

/// An admin; other accounts are refused with 403.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    /// The account.
    pub id: UserId,
}

impl FromRequestParts<AppState> for AuthUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let given = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "an access token is needed: Authorization: Bearer ...",
            )
        })?;
        let bearer = given
            .to_str()
            .ok()
            .and_then(|given| given.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, token)| app.tokens.read(token.trim()).ok())
            .ok_or_else(|| {
                Problem::new(Code::Unauthenticated, "the access token is wrong or has expired")
            })?;
        tracing::Span::current().record("user.id", tracing::field::display(bearer.id));
        Ok(Self { id: bearer.id, role: bearer.role })
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let user = AuthUser::from_request_parts(parts, app).await?;
        match user.role {
            Role::Admin => Ok(Self { id: user.id }),
            Role::User => Err(Problem::new(Code::Forbidden, "this is for admins")),
        }
    }
}

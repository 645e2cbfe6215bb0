//! `POST /v1/auth/login`
//!
//! A wrong password, an unknown e-mail and a text that is no e-mail get one answer after the same work,
//! so that nobody learns here who has an account.

use axum::extract::State;
use ordermill_common::clock;
use ordermill_common::user::{Email, store};
use serde::{Deserialize, Serialize};

use crate::extract::Json;
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;
use crate::token::Bearer;
use crate::wire::UserBody;

/// Who wants to enter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_debug_implementations, reason = "it holds a password")]
pub struct Request {
    email: String,
    password: String,
}

/// An access token and whose it is.
#[derive(Serialize)]
#[expect(missing_debug_implementations, reason = "it holds a token")]
pub struct Session {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    user: UserBody,
}

/// Gives a token for the right e-mail and password.
pub async fn login(
    State(app): State<AppState>,
    Json(request): Json<Request>,
) -> Answer<Json<Session>> {
    let account = match Email::parse(&request.email) {
        Ok(email) => {
            let finding = app.db.read(move |conn| {
                let email = email.clone();
                Box::pin(async move { store::find_by_email(conn, &email).await })
            });
            finding.await?
        }
        Err(_) => None,
    };
    let hash = account.as_ref().map(|(_, hash)| hash);
    let right = app.hasher.verify(request.password, hash).await?;
    let Some((user, _)) = account.filter(|_| right) else {
        return Err(Problem::new(Code::Unauthenticated, "the e-mail or the password is wrong"));
    };
    let bearer = Bearer { id: user.id, role: user.role };
    Ok(Json(Session {
        access_token: app.tokens.issue(bearer, clock::now()),
        token_type: "Bearer",
        expires_in: app.tokens.lifetime_seconds(),
        user: user.into(),
    }))
}

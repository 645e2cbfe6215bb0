//! `POST /v1/auth/register`

use axum::extract::State;
use axum::http::StatusCode;
use ordermill_common::clock;
use ordermill_common::id::UserId;
use ordermill_common::user::{self, Email, NewUser, Password, Registered, Role};
use serde::Deserialize;

use crate::extract::Json;
use crate::flaws::Flaws;
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;
use crate::wire::UserBody;

/// What an account begins with. Not `Debug`: it holds a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_debug_implementations, reason = "it holds a password")]
pub struct Request {
    email: String,
    password: String,
}

/// Makes an account and its empty cart.
pub async fn register(
    State(app): State<AppState>,
    Json(request): Json<Request>,
) -> Answer<(StatusCode, Json<UserBody>)> {
    let mut flaws = Flaws::default();
    let email = flaws.check("#/email", Email::parse(&request.email));
    let password = flaws.check("#/password", Password::parse(request.password));
    let (Some(email), Some(password)) = (email, password) else { return Err(flaws.into()) };
    let hash = app.hasher.hash(password).await?;
    let (id, created_at) = (UserId::mint(), clock::now());
    let new = NewUser { id, email, hash, role: Role::User, created_at };
    match user::register(&app.db, new).await? {
        Registered::Done(user) => Ok((StatusCode::CREATED, Json(user.into()))),
        Registered::EmailTaken => {
            Err(Problem::new(Code::EmailTaken, "log in, or register with another e-mail"))
        }
    }
}

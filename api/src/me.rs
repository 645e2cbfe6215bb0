//! `GET /v1/me`

use axum::extract::State;
use ordermill_common::user::store;

use crate::extract::{AuthUser, Json};
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;
use crate::wire::UserBody;

/// The account whose token it is.
pub async fn me(State(app): State<AppState>, user: AuthUser) -> Answer<Json<UserBody>> {
    let found = app.db.read(move |conn| Box::pin(store::find(conn, user.id))).await?;
    // The token is ours and the account is not there: the database is another one.
    let found = found.ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "the account of this token does not exist")
    })?;
    Ok(Json(found.into()))
}

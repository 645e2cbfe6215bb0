//! `DELETE /v1/cart`

use axum::extract::State;
use ordermill_common::cart::Op;

use super::{CartBody, change};
use crate::extract::{AuthUser, Json};
use crate::problem::Answer;
use crate::state::AppState;

/// Removes every line. The cart itself stays.
pub async fn clear(State(app): State<AppState>, user: AuthUser) -> Answer<Json<CartBody>> {
    change(&app, user, Op::Clear).await
}

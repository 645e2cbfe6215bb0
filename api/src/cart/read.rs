//! `GET /v1/cart`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::cart::store;

use super::CartBody;
use crate::extract::{AuthUser, IfNoneMatch};
use crate::own::{content_tag, tagged};
use crate::problem::Answer;
use crate::state::AppState;

/// The buyer's cart at today's prices. (Its tag is of what it shows: prices and stock change without it.)
pub async fn read(
    State(app): State<AppState>,
    user: AuthUser,
    has: IfNoneMatch,
) -> Answer<Response> {
    let cart = app.db.read(move |conn| Box::pin(store::get(conn, user.id))).await?;
    let body = CartBody::new(&cart, app.currency);
    Ok(tagged(&has, &content_tag(&body), body))
}

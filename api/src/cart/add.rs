//! `POST /v1/cart/lines`

use axum::extract::State;
use ordermill_common::cart::Op;
use ordermill_common::id::ProductId;
use serde::Deserialize;

use super::{CartBody, change};
use crate::cart::refusal::bounded;
use crate::extract::{AuthUser, Json};
use crate::problem::Answer;
use crate::state::AppState;

/// What is added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    product_id: ProductId,
    quantity: u32,
}

/// Adds to what the cart holds of the product; the sum must be in stock.
pub async fn add(
    State(app): State<AppState>,
    user: AuthUser,
    Json(request): Json<Request>,
) -> Answer<Json<CartBody>> {
    let quantity = bounded(request.quantity, 1)?;
    change(&app, user, Op::Add { product: request.product_id, quantity }).await
}

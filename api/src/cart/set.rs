//! `PUT /v1/cart/lines/{product_id}`

use axum::extract::State;
use ordermill_common::cart::Op;
use ordermill_common::id::ProductId;
use serde::Deserialize;

use super::{CartBody, change};
use crate::cart::refusal::bounded;
use crate::extract::{AuthUser, Json, Path};
use crate::problem::Answer;
use crate::state::AppState;

/// How many it becomes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    quantity: u32,
}

/// Makes the line this many, whatever it was; 0 removes it. More than there was must be in stock.
pub async fn set(
    State(app): State<AppState>,
    user: AuthUser,
    Path(product): Path<ProductId>,
    Json(request): Json<Request>,
) -> Answer<Json<CartBody>> {
    let quantity = bounded(request.quantity, 0)?;
    change(&app, user, Op::Set { product, quantity }).await
}

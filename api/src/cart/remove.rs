//! `DELETE /v1/cart/lines/{product_id}`

use axum::extract::State;
use ordermill_common::cart::Op;
use ordermill_common::id::ProductId;

use super::{CartBody, change};
use crate::extract::{AuthUser, Json, Path};
use crate::problem::Answer;
use crate::state::AppState;

/// Removes the line; one that is not there is fine.
pub async fn remove(
    State(app): State<AppState>,
    user: AuthUser,
    Path(product): Path<ProductId>,
) -> Answer<Json<CartBody>> {
    change(&app, user, Op::Remove { product }).await
}

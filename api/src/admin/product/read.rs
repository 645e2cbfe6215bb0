//! `GET /v1/admin/products/{id}`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::catalog::store;
use ordermill_common::id::ProductId;

use super::tagged;
use crate::extract::{Admin, Path};
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// The product, deleted or not.
pub async fn read(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<ProductId>,
) -> Answer<Response> {
    let product = app.db.read(move |conn| Box::pin(store::find(conn, id))).await?;
    let product = product.ok_or_else(Problem::not_found)?;
    Ok(tagged(product, app.currency))
}

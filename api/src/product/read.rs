//! `GET /v1/products/{id}`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::catalog::store;
use ordermill_common::id::ProductId;

use crate::answer::cached;
use crate::extract::{IfNoneMatch, Path};
use crate::problem::{Answer, Problem};
use crate::state::AppState;
use crate::wire::ProductBody;

/// A product that is for sale.
pub async fn read(
    State(app): State<AppState>,
    Path(id): Path<ProductId>,
    has: IfNoneMatch,
) -> Answer<Response> {
    let product = app.db.read(move |conn| Box::pin(store::find(conn, id))).await?;
    let product = product.filter(|product| product.deleted_at.is_none());
    let product = product.ok_or_else(Problem::not_found)?;
    Ok(cached(&has, &ProductBody::new(product, app.currency)))
}

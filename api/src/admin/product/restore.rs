//! `POST /v1/admin/products/{id}/restore`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::id::ProductId;
use ordermill_common::{catalog, clock};

use super::tagged;
use crate::extract::{Admin, Path};
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Puts the product back on sale; a second time changes nothing.
pub async fn restore(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<ProductId>,
) -> Answer<Response> {
    let restored = catalog::restore(&app.db, id, clock::now()).await?;
    Ok(tagged(restored.ok_or_else(Problem::not_found)?, app.currency))
}

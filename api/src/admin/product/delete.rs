//! `DELETE /v1/admin/products/{id}`

use axum::extract::State;
use axum::http::StatusCode;
use ordermill_common::id::ProductId;
use ordermill_common::{catalog, clock};

use crate::extract::{Admin, Path};
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Takes the product from sale; a second time changes nothing.
pub async fn delete(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<ProductId>,
) -> Answer<StatusCode> {
    let deleted = catalog::delete(&app.db, id, clock::now()).await?;
    deleted.map(|_| StatusCode::NO_CONTENT).ok_or_else(Problem::not_found)
}

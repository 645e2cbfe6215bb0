//! `POST /v1/admin/products/{id}/stock`

use axum::extract::State;
use ordermill_common::clock;
use ordermill_common::id::{AdjustmentId, ProductId};
use ordermill_common::stock::adjust::{self, Adjusted, Adjustment, parse_delta, parse_reason};
use serde::{Deserialize, Serialize};

use crate::extract::{Admin, Json, Path};
use crate::flaws::Flaws;
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;

/// By how many units, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    delta: i64,
    reason: String,
}

/// What is left.
#[derive(Debug, Serialize)]
pub struct Stock {
    product_id: ProductId,
    available: i64,
}

/// Moves the stock and writes the ledger's row; never below zero.
pub async fn adjust_stock(
    State(app): State<AppState>,
    admin: Admin,
    Path(product_id): Path<ProductId>,
    Json(request): Json<Request>,
) -> Answer<Json<Stock>> {
    let mut flaws = Flaws::default();
    let delta = flaws.check("#/delta", parse_delta(request.delta));
    let reason = flaws.check("#/reason", parse_reason(&request.reason));
    let (Some(delta), Some(reason)) = (delta, reason) else { return Err(flaws.into()) };
    let (id, by, at) = (AdjustmentId::mint(), Some(admin.id), clock::now());
    let adjustment = Adjustment { id, product_id, delta, reason, by, at };
    match adjust::adjust(&app.db, adjustment).await? {
        Adjusted::Done { available } => Ok(Json(Stock { product_id, available })),
        Adjusted::Missing => Err(Problem::not_found()),
        Adjusted::Insufficient { available } => {
            let short = Problem::new(Code::InsufficientStock, "fewer can be taken than that");
            Err(short.with("available", available))
        }
    }
}

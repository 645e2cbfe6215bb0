//! `GET /v1/admin/products/{id}/stock`

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use ordermill_common::catalog;
use ordermill_common::clock;
use ordermill_common::id::{AdjustmentId, ProductId, UserId};
use ordermill_common::page::{Limit, read_cursor};
use ordermill_common::stock::adjust::{Adjustment, store};
use serde::{Deserialize, Serialize};

use crate::answer::List;
use crate::extract::{Admin, Json, Path, Query};
use crate::flaws::Flaws;
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A row of the ledger.
#[derive(Debug, Serialize)]
struct Row {
    id: AdjustmentId,
    delta: i64,
    reason: String,
    by: Option<UserId>,
    #[serde(serialize_with = "clock::serialize")]
    at: DateTime<Utc>,
}

/// Every adjustment of the product's stock, the last first.
pub async fn stock_ledger(
    State(app): State<AppState>,
    _: Admin,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<ProductId>,
    Query(parameters): Query<Parameters>,
) -> Answer<Response> {
    let mut flaws = Flaws::default();
    let limit = flaws.check("?limit", Limit::try_new(parameters.limit)).ok_or(flaws)?;
    let name = ("stock_ledger", id);
    let before: Option<AdjustmentId> =
        parameters.cursor.map(|cursor| read_cursor(&name, &cursor)).transpose()?;
    let product = app.db.read(move |conn| Box::pin(catalog::store::find(conn, id))).await?;
    product.ok_or_else(Problem::not_found)?;
    let page = app.db.read(move |conn| Box::pin(store::page(conn, id, before, limit))).await?;
    let next = page.next(&name, |row| row.id);
    let list = List::new(page.rows.into_iter().map(Row::new).collect(), next);
    Ok((list.link(&uri), Json(list)).into_response())
}

impl Row {
    fn new(adjustment: Adjustment) -> Self {
        let Adjustment { id, delta, reason, by, at, .. } = adjustment;
        Self { id, delta, reason, by, at }
    }
}

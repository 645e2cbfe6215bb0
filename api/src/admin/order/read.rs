//! `GET /v1/admin/orders/{id}`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::id::OrderId;
use ordermill_common::order::view::store;

use crate::extract::{Admin, IfNoneMatch, Path};
use crate::order::{Eyes, OrderBody};
use crate::own::tagged;
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Anybody's order, with whose it is.
pub async fn read(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<OrderId>,
    has: IfNoneMatch,
) -> Answer<Response> {
    let order = app.db.read(move |conn| Box::pin(store::find(conn, id, None))).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    let tag = order.head.tag();
    Ok(tagged(&has, &tag, OrderBody::new(order, app.currency, Eyes::Admin)))
}

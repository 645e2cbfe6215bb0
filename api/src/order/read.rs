//! `GET /v1/orders/{id}`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::id::OrderId;
use ordermill_common::order::view::store;

use super::{Eyes, OrderBody};
use crate::extract::{AuthUser, IfNoneMatch, Path};
use crate::own::tagged;
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// The buyer's order, from the moment of its acceptance; another's is not found.
pub async fn read(
    State(app): State<AppState>,
    user: AuthUser,
    Path(id): Path<OrderId>,
    has: IfNoneMatch,
) -> Answer<Response> {
    let order = app.db.read(move |conn| Box::pin(store::find(conn, id, Some(user.id)))).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    let tag = order.head.tag();
    Ok(tagged(&has, &tag, OrderBody::new(order, app.currency, Eyes::Buyer)))
}

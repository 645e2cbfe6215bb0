//! `POST /v1/orders/{id}/cancel`

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use ordermill_common::cancellation::Wish;
use ordermill_common::clock;
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::order::Status;
use ordermill_common::order::view::store;
use ordermill_common::trace::RequestId;

use super::{Eyes, OrderBody, WishRequest, wish};
use crate::extract::{AuthUser, Json, Path};
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Asks to cancel the buyer's order; a worker decides. Asked again, it answers the order as it stands.
pub async fn cancel(
    State(app): State<AppState>,
    user: AuthUser,
    Path(order_id): Path<OrderId>,
    Extension(request_id): Extension<RequestId>,
    request: Option<Json<WishRequest>>,
) -> Answer<(StatusCode, Json<OrderBody>)> {
    let reason = request.map(|Json(request)| request).unwrap_or_default().reason()?;
    let (owner, by) = (Some(user.id), "buyer".to_owned());
    let (message_id, at) = (MessageId::mint(), clock::now());
    let asked = Wish { order_id, owner, by, reason, request_id, message_id, at };
    wish(&app, asked, Status::buyer_transitions).await?;
    let order = app.db.read(move |conn| Box::pin(store::find(conn, order_id, owner))).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(OrderBody::new(order, app.currency, Eyes::Buyer))))
}

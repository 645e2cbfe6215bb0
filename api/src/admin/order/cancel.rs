//! `POST /v1/admin/orders/{id}/cancel`

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use ordermill_common::cancellation::Wish;
use ordermill_common::clock;
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::order::Status;
use ordermill_common::trace::RequestId;

use super::shown;
use crate::admin::actor;
use crate::extract::{Admin, Json, Path};
use crate::order::{OrderBody, WishRequest, wish};
use crate::problem::Answer;
use crate::state::AppState;

/// Asks to cancel anybody's order, as its buyer would; a worker decides.
pub async fn cancel(
    State(app): State<AppState>,
    admin: Admin,
    Path(order_id): Path<OrderId>,
    Extension(request_id): Extension<RequestId>,
    request: Option<Json<WishRequest>>,
) -> Answer<(StatusCode, Json<OrderBody>)> {
    let reason = request.map(|Json(request)| request).unwrap_or_default().reason()?;
    let (message_id, at) = (MessageId::mint(), clock::now());
    let by = actor(admin);
    let asked = Wish { order_id, owner: None, by, reason, request_id, message_id, at };
    wish(&app, asked, Status::admin_transitions).await?;
    Ok((StatusCode::ACCEPTED, shown(&app, order_id).await?))
}

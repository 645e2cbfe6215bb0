//! `POST /v1/checkout`

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ordermill_common::checkout::{Accept, Answer as Accepted, Refusal};
use ordermill_common::clock;
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use sha2::{Digest as _, Sha256};

use super::{refusal, request};
use crate::extract::{AuthUser, RawBody};
use crate::order::accepted;
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Orders what is in the cart. Repeated with the same key, or without one before the cart is filled
/// again, it gives the first answer again; a refusal leaves everything as it was, the key too.
pub async fn checkout(
    State(app): State<AppState>,
    user: AuthUser,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Answer<Response> {
    let key = request::key(&headers)?;
    // A key is looked up before the body matters; without one there is nothing to look up.
    let wanted = request::read(&headers, &body, app.currency);
    let (wanted, flawed) = match wanted {
        Ok(wanted) => (Some(wanted), None),
        Err(problem) if key.is_none() => return Err(problem),
        Err(problem) => (None, Some(problem)),
    };
    let fingerprint = Sha256::digest(&body).into();
    let (order_id, message_id, at) = (OrderId::mint(), MessageId::mint(), clock::now());
    let user = user.id;
    let asked = Accept { user, key, fingerprint, wanted, order_id, message_id, request_id, at };
    match app.writes.accept(asked).await? {
        Accepted::Accepted(checkout) => Ok(accepted(&app, &checkout, false)),
        Accepted::Replayed(checkout) => Ok(accepted(&app, &checkout, true)),
        Accepted::Refused(Refusal::Invalid) => Err(flawed.unwrap_or_else(Problem::not_found)),
        Accepted::Refused(refusal) => Err(refusal::told(refusal, app.currency)),
    }
}

//! `/v1/orders`: what became of the buyer's checkouts.

mod body;
mod cancel;
mod list;
mod read;
mod wish;

pub use body::{Eyes, HeadBody, OrderBody};
pub use cancel::cancel;
pub use list::list;
pub use read::read;
pub(crate) use wish::{Request as WishRequest, illegal, wish};

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::checkout::Checkout;
use ordermill_common::order::view::OrderView;

use crate::extract::Json;
use crate::state::App;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The answer to a checkout: the order as it was accepted, and where to follow it.
pub(crate) fn accepted(app: &App, checkout: &Checkout, replayed: bool) -> Response {
    let order = OrderView::accepted(checkout);
    let location = format!("/v1/orders/{}", order.head.id);
    let body = OrderBody::new(order, app.currency, Eyes::Buyer);
    let location = HeaderValue::from_str(&location).expect("an id is letters and digits");
    let headers =
        [(header::LOCATION, location), (header::RETRY_AFTER, HeaderValue::from_static("1"))];
    let mut response = (StatusCode::ACCEPTED, headers, Json(body)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

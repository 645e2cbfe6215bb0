//! Every route of the shop, on one page. One operation is one file, named as it is here.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

use crate::edge::Edge;
use crate::state::AppState;
use crate::{auth, cart, checkout, edge, me, order, product};

/// The largest body that is read, in bytes: a cart's line or a product's description is far smaller.
const BODY_LIMIT: usize = 256 * 1024;

/// The whole API.
pub fn router(app: AppState) -> Router {
    Router::new()
        .nest("/v1", v1())
        .fallback(edge::not_found)
        .method_not_allowed_fallback(edge::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(Edge::new(app.clone()), edge::edge))
        .with_state(app)
}

fn v1() -> Router<AppState> {
    Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::login))
        .route("/me", get(me::me))
        .route("/products", get(product::list))
        .route("/products/{id}", get(product::read))
        .route("/cart", get(cart::read).delete(cart::clear))
        .route("/cart/lines", post(cart::add))
        .route("/cart/lines/{product_id}", put(cart::set).delete(cart::remove))
        .route("/checkout", post(checkout::checkout))
        .route("/orders", get(order::list))
        .route("/orders/{id}", get(order::read))
        .route("/orders/{id}/cancel", post(order::cancel))
        .nest("/admin", admin())
}

fn admin() -> Router<AppState> {
    use crate::admin::{dead_letter, order, product};
    Router::new()
        .route("/products", post(product::create))
        .route("/products/{id}", get(product::read).put(product::update).delete(product::delete))
        .route("/products/{id}/restore", post(product::restore))
        .route("/products/{id}/stock", post(product::adjust_stock).get(product::stock_ledger))
        .route("/orders", get(order::list))
        .route("/orders/{id}", get(order::read))
        .route("/orders/{id}/status", post(order::move_on))
        .route("/orders/{id}/cancel", post(order::cancel))
        .route("/dead-letters", get(dead_letter::list))
        .route("/dead-letters/{id}", get(dead_letter::read))
        .route("/dead-letters/{id}/redrive", post(dead_letter::redrive))
        .route("/dead-letters/{id}/discard", post(dead_letter::discard))
}

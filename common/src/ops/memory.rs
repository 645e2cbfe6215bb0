//! `/memory`: what the process has in use, for tests that look for a leak. What the system gave it tells
//! less: room that was taken long ago counts there once it is touched, and freed room until it is given back.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tikv_jemalloc_ctl::{epoch, stats};

/// Answers the bytes that are allocated and not freed, a decimal number.
pub(super) fn in_use() -> Router {
    Router::new().route("/memory", get(answer))
}

async fn answer() -> Result<String, (StatusCode, String)> {
    look().map(|bytes| bytes.to_string()).map_err(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("the allocator does not tell: {error}"))
    })
}

/// The allocator's numbers are those of its epoch.
fn look() -> tikv_jemalloc_ctl::Result<usize> {
    epoch::advance()?;
    stats::allocated::read()
}

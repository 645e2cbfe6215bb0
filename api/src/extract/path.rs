//! The one typed id of a route. A text that is no such id names nothing, so it is 404, not 400.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::problem::Problem;

/// The last parameter of the route, read as `T`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        let last = params.iter().last().ok_or_else(Problem::not_found)?;
        last.1.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

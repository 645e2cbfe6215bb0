//! The query string. Unknown parameters are refused: a filter with a typing error would show everything.

use std::error::Error as _;

use axum::extract::FromRequestParts;
use axum::extract::Query as AxumQuery;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Flaw, Problem};

/// The query string, read as `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match AxumQuery::try_from_uri(&parts.uri) {
            Ok(AxumQuery(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text =
                    rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
                let (name, detail) = text.split_once(": ").unwrap_or(("", &text));
                Err(Problem::flawed(vec![Flaw {
                    pointer: format!("?{name}"),
                    code: "invalid",
                    detail: detail.to_owned(),
                }]))
            }
        }
    }
}

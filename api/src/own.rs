//! Answers that are somebody's own: never kept by a cache in between, and 304 for who has them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::extract::{IfNoneMatch, Json, written};

/// The answer under this tag, whose text is visible ASCII without quotes.
pub fn tagged(has: &IfNoneMatch, tag: &str, body: impl Serialize) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).expect("a tag is visible ASCII");
    let met = has.has(&tag);
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let headers = [kept, (header::ETAG, tag)];
    if met {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, Json(body)).into_response()
    }
}

/// A tag of what the body says, for what has no version that tells all of it.
pub fn content_tag(body: &impl Serialize) -> String {
    tag_of(&written(body))
}

/// A tag of an answer's text.
pub fn tag_of(text: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

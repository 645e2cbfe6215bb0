//! Forms of answers that several operations share.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::extract::{IfNoneMatch, written};
use crate::own::tag_of;

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Whether there are further ones.
    pub has_more: bool,
    /// Where they begin: send it as `cursor`.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// The page of rows that ends at the cursor.
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { data, has_more: next_cursor.is_some(), next_cursor }
    }

    /// `Link: <...>; rel="next"` with the request's own parameters, when there is a next page.
    pub fn link(&self, uri: &Uri) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(cursor) = &self.next_cursor {
            let kept = uri.query().unwrap_or_default().split('&');
            let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
            let query: Vec<&str> = kept.collect();
            let glue = if query.is_empty() { "" } else { "&" };
            let link =
                format!("<{}?{}{glue}cursor={cursor}>; rel=\"next\"", uri.path(), query.join("&"));
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.insert(header::LINK, link);
            }
        }
        headers
    }
}

/// A public answer that may be kept for some seconds, with a tag of its content; 304 for who has it.
pub fn cached(has: &IfNoneMatch, body: &impl Serialize) -> Response {
    let body = written(body);
    let tag = HeaderValue::from_str(&format!("\"{}\"", tag_of(&body)))
        .expect("base64url in quotes is a header value");
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=10"));
    let met = has.has(&tag);
    let headers = [kept, (header::ETAG, tag)];
    if met {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (headers, kind, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_filters_and_replaces_the_cursor() {
        let list = List::<u8>::new(vec![], Some("new".to_owned()));
        let uri: Uri = "/v1/products?q=a%20b&cursor=old&limit=5".parse().unwrap();
        assert_eq!(
            list.link(&uri)[header::LINK],
            "</v1/products?q=a%20b&limit=5&cursor=new>; rel=\"next\""
        );
        let bare: Uri = "/v1/products".parse().unwrap();
        assert_eq!(list.link(&bare)[header::LINK], "</v1/products?cursor=new>; rel=\"next\"");
        assert!(List::<u8>::new(vec![], None).link(&uri).is_empty());
    }
}

//! Validators: `If-Match` on edits, `If-None-Match` on reads.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::{Code, Problem};

/// The tag of a version: `"7"`.
pub fn version_tag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes are a header value")
}

/// Which versions may be changed; an edit without it is 428.
#[derive(Debug, Clone)]
pub struct IfMatch(Tags);

impl IfMatch {
    /// Whether this version is one of them. Weak tags never are.
    pub fn allows(&self, version: i64) -> bool {
        self.0.any || self.0.strong.iter().any(|tag| *tag == version_tag(version))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Tags::of(&parts.headers, &header::IF_MATCH).map(Self).ok_or_else(|| {
            Problem::new(Code::PreconditionRequired, "send the ETag that you read as If-Match")
        })
    }
}

/// Which tags the client has already.
#[derive(Debug, Clone, Default)]
pub struct IfNoneMatch(Option<Tags>);

impl IfNoneMatch {
    /// Whether the client has the representation with this tag; then 304 is enough.
    pub fn has(&self, tag: &HeaderValue) -> bool {
        self.0
            .as_ref()
            .is_some_and(|tags| tags.any || tags.strong.contains(tag) || tags.weak.contains(tag))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Tags::of(&parts.headers, &header::IF_NONE_MATCH)))
    }
}

#[derive(Debug, Clone, Default)]
struct Tags {
    any: bool,
    strong: Vec<HeaderValue>,
    weak: Vec<HeaderValue>,
}

impl Tags {
    /// Our tags hold no comma, so splitting at commas finds them all.
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Self::default();
        let mut given = headers.get_all(name).iter().peekable();
        given.peek()?;
        for tag in given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
        {
            let tag = tag.trim();
            let (kind, tag) = match tag.strip_prefix("W/") {
                Some(weak) => (&mut tags.weak, weak),
                None => (&mut tags.strong, tag),
            };
            if tag == "*" {
                tags.any = true;
            } else if let Ok(tag) = HeaderValue::from_str(tag) {
                kind.push(tag);
            }
        }
        Some(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(value: &'static str) -> Tags {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
        Tags::of(&headers, &header::IF_MATCH).expect("the header is there")
    }

    #[test]
    fn an_edit_needs_a_strong_tag_and_a_read_takes_weak_ones() {
        assert!(IfMatch(tags("\"7\"")).allows(7));
        assert!(IfMatch(tags("\"6\", \"7\"")).allows(7));
        assert!(IfMatch(tags("*")).allows(7));
        for other in ["\"8\"", "W/\"7\"", "7", "", "\"07\""] {
            assert!(!IfMatch(tags(other)).allows(7), "{other}");
        }
        assert!(IfNoneMatch(Some(tags("W/\"7\""))).has(&version_tag(7)));
        assert!(!IfNoneMatch(Some(tags("\"8\""))).has(&version_tag(7)));
        assert!(!IfNoneMatch(None).has(&version_tag(7)));
    }
}

//! Validators: `If-Match` on edits, `If-None-Match` on reads.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use ordermill_common::catalog::Expected;

use crate::problem::{Code, Problem};

/// The tag of a version: `"7"`.
pub fn version_tag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes are a header value")
}

/// Which versions may be replaced; an edit without it is 428. Weak tags name none.
#[derive(Debug, Clone)]
pub struct IfMatch(pub Expected);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tags = Tags::of(&parts.headers, &header::IF_MATCH).ok_or_else(|| {
            Problem::new(Code::PreconditionRequired, "send the ETag that you read as If-Match")
        })?;
        Ok(Self(tags.versions()))
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

    fn versions(&self) -> Expected {
        if self.any {
            return Expected::Any;
        }
        let version = |tag: &HeaderValue| {
            let version = tag.to_str().ok()?.trim_matches('"').parse().ok()?;
            (version_tag(version) == *tag).then_some(version)
        };
        Expected::OneOf(self.strong.iter().filter_map(version).collect())
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
        assert!(tags("\"7\"").versions().allows(7));
        assert!(tags("\"6\", \"7\"").versions().allows(7));
        assert!(tags("*").versions().allows(7));
        for other in ["\"8\"", "W/\"7\"", "7", "", "\"07\""] {
            assert!(!tags(other).versions().allows(7), "{other}");
        }
        assert!(IfNoneMatch(Some(tags("W/\"7\""))).has(&version_tag(7)));
        assert!(!IfNoneMatch(Some(tags("\"8\""))).has(&version_tag(7)));
        assert!(!IfNoneMatch(None).has(&version_tag(7)));
    }
}

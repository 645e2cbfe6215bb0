//! A JSON body. What is wrong with it is told with a pointer to the place.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ordermill_common::ops::Patience;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::problem::{Code, Flaw, Problem};

/// The body, read as `T`; wire types refuse unknown fields. As an answer: the body, written from `T`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], written(&self.0)).into_response()
    }
}

/// The text of an answer.
pub fn written(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("answers are structs of strings and integers")
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = body(request, state).await?;
        read_json(&headers, &body).map(Self)
    }
}

/// `None` when there is no body at all.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let headers = request.headers().clone();
        let body = body(request, state).await?;
        if body.is_empty() {
            Ok(None)
        } else {
            read_json(&headers, &body).map(|value| Some(Self(value)))
        }
    }
}

/// The body as it came, for a handler that needs its bytes; [`read_json`] reads them.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        body(request, state).await.map(Self)
    }
}

/// Reads a body that was taken as bytes, for a handler that needs both.
pub fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send the body as Content-Type: application/json",
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        refused(error.inner(), pointer)
    })?;
    reader.end().map_err(|error| refused(&error, "#".to_owned()))?;
    Ok(value)
}

/// A client that sends half a body and stalls must not hold a request for ever.
async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let patience = request.extensions().get::<Patience>().copied().unwrap_or_default();
    let reading = tokio::time::timeout(patience.body, Bytes::from_request(request, state)).await;
    let read = reading
        .map_err(|_late| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))?;
    read.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(Code::PayloadTooLarge, "the body is larger than 256 KiB")
        } else {
            Problem::new(Code::MalformedJson, "the body could not be read to its end")
        }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let given =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn refused(error: &serde_json::Error, pointer: String) -> Problem {
    // The reader's "at line 1 column 7" helps nobody once there is a pointer.
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
    if error.classify() != Category::Data {
        return Problem::new(Code::MalformedJson, text);
    }
    let named = |kind: &str| what.strip_prefix(kind)?.split('`').next().map(str::to_owned);
    let (pointer, code) = if let Some(field) = named("missing field `") {
        (format!("{pointer}/{field}"), "missing")
    } else if what.starts_with("unknown field `") {
        (pointer, "unknown_field")
    } else if let Some(field) = named("duplicate field `") {
        (format!("{pointer}/{field}"), "duplicate_field")
    } else {
        (pointer, "invalid")
    };
    Problem::flawed(vec![Flaw { pointer, code, detail: what }])
}

fn pointer(path: &Path) -> String {
    path.iter().fold("#".to_owned(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("{pointer}/{variant}"),
        Segment::Unknown => pointer,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its reading is of interest")]
        quantity: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its reading is of interest")]
        lines: Vec<Line>,
    }

    fn told(body: &str) -> (Code, String) {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        let problem = read_json::<Order>(&headers, body.as_bytes()).unwrap_err();
        (problem.code(), format!("{problem:?}"))
    }

    #[test]
    fn a_flaw_is_told_with_a_pointer_to_its_place() {
        for (body, code, pointer) in [
            (r#"{"lines":[{"quantity":-1}]}"#, "invalid", "#/lines/0/quantity"),
            (r#"{"lines":[{"quantity":1},{}]}"#, "missing", "#/lines/1/quantity"),
            (r#"{"lines":[{"quantity":1,"x":2}]}"#, "unknown_field", "#/lines/0/x"),
            (r#"{"lines":[],"lines":[]}"#, "duplicate_field", "#/lines"),
            (r#"{"lines":{}}"#, "invalid", "#/lines"),
            ("[]", "invalid", "#"),
            (r#"{"lines":[{"quantity":1e99}]}"#, "invalid", "#/lines/0/quantity"),
        ] {
            let (told_code, text) = told(body);
            assert_eq!(told_code, Code::ValidationFailed, "{body}: {text}");
            assert!(text.contains(&format!("pointer: \"{pointer}\"")), "{body}: {text}");
            assert!(text.contains(&format!("code: \"{code}\"")), "{body}: {text}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(10_000);
        for body in ["", "{", "{\"lines\":[]} x", "\u{feff}{}", "nul", deep.as_str()] {
            assert_ne!(told(body).0, Code::Internal);
        }
        assert_eq!(told("").0, Code::MalformedJson);
        assert_eq!(told("{").0, Code::MalformedJson);
        assert_eq!(told("{\"lines\":[]} x").0, Code::MalformedJson);
    }

    #[test]
    fn only_json_is_read() {
        let problem = read_json::<Order>(&HeaderMap::new(), b"{\"lines\":[]}").unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
    }
}

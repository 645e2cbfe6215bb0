//! The edge of every request: its id, its span and its one log line, its time limit, its panic.
//!
//! Each request runs as a task of its own. A client that hangs up or a limit that runs out ends the
//! waiting and never the work, because a database statement that is dropped halfway leaves its
//! connection out of step; and a drain waits for what is still at work.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use ordermill_common::trace::RequestId;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::problem::{Code, Problem};
use crate::state::AppState;

/// The header that carries the request's id in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a client waits at most.
const LIMIT: Duration = Duration::from_secs(30);

/// What the edge needs.
#[derive(Debug, Clone)]
pub struct Edge {
    app: AppState,
    limit: Duration,
}

impl Edge {
    /// The edge of this application, with the usual time limit.
    pub fn new(app: AppState) -> Self {
        Self { app, limit: LIMIT }
    }

    /// The same with another time limit.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

/// Wraps the whole router.
pub async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response<Body> {
    let started = Instant::now();
    let id = request_id(&request);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let path = request.uri().path().to_owned();
    // Never the query, the headers or the body: they may hold what must not be logged.
    let span = tracing::info_span!(
        "http.request",
        request_id = %id,
        method = %request.method(),
        route,
        user.id = tracing::field::Empty,
    );
    request.extensions_mut().insert(id.clone());
    let mut response = if edge.app.is_open() {
        answer(&edge, request, next).instrument(span.clone()).await
    } else {
        Problem::new(Code::Unavailable, "the database has not been reached yet").into_response()
    };
    finish(&mut response, &path, &id);
    span.in_scope(|| {
        tracing::info!(
            status = response.status().as_u16(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
    });
    response
}

fn request_id(request: &Request) -> RequestId {
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_else(RequestId::mint)
}

async fn answer(edge: &Edge, request: Request, next: Next) -> Response<Body> {
    let span = tracing::Span::current();
    let working = edge.app.tasks.spawn(next.run(request).instrument(span));
    match tokio::time::timeout(edge.limit, working).await {
        Ok(Ok(response)) => response,
        Ok(Err(panicked)) => Problem::internal(&panicked).into_response(),
        Err(_) => {
            tracing::warn!("a request took too long; it goes on without its client");
            Problem::new(Code::OutcomeUnknown, "it took too long").into_response()
        }
    }
}

fn finish(response: &mut Response<Body>, path: &str, id: &RequestId) {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = problem.render(path, id.as_str());
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    let id =
        HeaderValue::from_str(id.as_str()).expect("a request id is letters, digits, '_' and '-'");
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// No such route.
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "no such route")
}

/// The route exists with other methods; `Allow` names them.
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "the header Allow names the methods that are")
}

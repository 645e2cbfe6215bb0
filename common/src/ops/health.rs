//! The admin listener: `/livez` asks nothing but the process itself, `/readyz` asks what the process
//! needs. A degraded part (the broker, while the outbox keeps its messages) leaves the process ready.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Patience, serve};

/// For how long an answer is given again, so that many probes cost one look.
const FRESH: Duration = Duration::from_secs(1);

/// How one thing that the process needs is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing", content = "why")]
pub enum Standing {
    /// As it should be.
    Ok,
    /// Missing, and the process can do its work all the same.
    Degraded(String),
    /// Missing, and the process can do nothing without it.
    Failed(String),
}

/// One thing that the process needs.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Its name: `database`, `migrations`, and those of the process's own.
    pub name: &'static str,
    /// How it is doing.
    #[serde(flatten)]
    pub standing: Standing,
}

impl Part {
    /// A part and how it is doing.
    pub fn new(name: &'static str, standing: Standing) -> Self {
        Self { name, standing }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether work may be sent here.
    pub ready: bool,
    /// Why, part by part.
    pub parts: Vec<Part>,
}

impl Report {
    /// Ready unless a part failed.
    pub fn of(parts: Vec<Part>) -> Self {
        let ready = !parts.iter().any(|part| matches!(part.standing, Standing::Failed(_)));
        Self { ready, parts }
    }
}

/// Looks at what the process needs. Asked at most once a second.
pub trait Readiness: Send + Sync + 'static {
    /// How each part is doing now.
    fn look(&self) -> BoxFuture<'_, Vec<Part>>;
}

struct Health<R> {
    readiness: R,
    draining: CancellationToken,
    last: Mutex<Option<(Instant, Report)>>,
}

/// Serves `/livez` and `/readyz` until `until` is cancelled, which should come after the drain: a draining process answers
/// `/readyz` with 503 and goes on living.
pub async fn serve_health<R: Readiness>(
    listener: TcpListener,
    readiness: R,
    draining: CancellationToken,
    until: CancellationToken,
) {
    let health = Arc::new(Health { readiness, draining, last: Mutex::new(None) });
    let router = Router::new().route("/readyz", get(readyz::<R>)).with_state(health).merge(livez());
    #[cfg(feature = "crash-points")]
    let router = router.merge(super::memory::in_use());
    serve(listener, router, Patience::default(), until).await;
}

/// `/livez` alone, for a process that has no admin listener.
pub fn livez() -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" }))
}

async fn readyz<R: Readiness>(
    State(health): State<Arc<Health<R>>>,
    RawQuery(query): RawQuery,
) -> impl IntoResponse {
    let mut report = health.report().await;
    if health.draining.is_cancelled() {
        report.ready = false;
        report.parts.push(Part::new("process", Standing::Failed("draining".to_owned())));
    }
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|word| word.starts_with("verbose")));
    let (kind, body) = if verbose {
        let body = serde_json::to_string(&report).expect("a report is booleans and strings");
        ("application/json", format!("{body}\n"))
    } else {
        ("text/plain", if report.ready { "ok\n".to_owned() } else { "not ready\n".to_owned() })
    };
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body)
}

impl<R: Readiness> Health<R> {
    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let report = Report::of(self.readiness.look().await);
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degraded_part_leaves_the_process_ready_and_a_failed_one_does_not() {
        let degraded = Part::new("broker", Standing::Degraded("reconnecting".to_owned()));
        let failed = Part::new("database", Standing::Failed("gone".to_owned()));
        assert!(Report::of(vec![degraded.clone(), Part::new("database", Standing::Ok)]).ready);
        assert!(!Report::of(vec![degraded, failed]).ready);
    }
}

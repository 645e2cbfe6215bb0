//! Answers HTTP on a listener and bounds how slow a client may be. (`axum::serve` sets no bound: a client
//! that sends half a head and stalls, or reads no answer, holds its connection for ever.)
//!
//! | a client that | loses its connection after |
//! |---|---|
//! | has begun a head and not ended it, however steadily it drips | `head` |
//! | moves no byte while nothing of its is being answered | `idle` |
//!
//! While a request is being answered nothing is cut here: the answer has a limit of its own, and whoever
//! reads a body keeps to `body`, which travels with the request as an extension.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use pulse::{Pulse, Watched};

mod pulse;

/// How long a client is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the end of the head to the last byte of the body.
    pub body: Duration,
    /// Between two requests, or for the next byte of an answer to be taken.
    pub idle: Duration,
}

impl Default for Patience {
    /// 10 s for a head and for a body; 75 s between requests, longer than proxies commonly keep a
    /// connection, so that they and not we end one that is about to be used.
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { head: ten, body: ten, idle: Duration::from_secs(75) }
    }
}

/// Answers until `draining` is cancelled, then takes no more connections, finishes what is being answered
/// and returns. Each request carries the patience as an extension.
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    patience: Patience,
    draining: CancellationToken,
) {
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = draining.cancelled() => break,
        };
        // Answers are small; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, router.clone(), patience, draining.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    router: Router,
    mut patience: Patience,
    draining: CancellationToken,
) {
    let pulse = Arc::new(Pulse::new());
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let beat = Arc::clone(&pulse);
    let answer = service_fn(move |request| answer(router.clone(), request, patience, beat.clone()));
    let mut serving = pin!(http1::Builder::new().serve_connection(stream, answer));
    let mut alarm = pin!(tokio::time::sleep(patience.idle));
    let mut told = false;
    loop {
        // What the pulse says changes only while `serving` is polled, so the alarm is set after it.
        let slow = poll_fn(|cx| pulse.poll_slow(patience, alarm.as_mut(), cx));
        tokio::select! {
            biased;
            _ended = serving.as_mut() => return,
            () = draining.cancelled(), if !told => {
                told = true;
                patience.idle = patience.head;
                serving.as_mut().graceful_shutdown();
            }
            () = slow => {
                tracing::debug!("a client was too slow; its connection is closed");
                return;
            }
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    patience: Patience,
    pulse: Arc<Pulse>,
) -> Result<Response<Body>, Infallible> {
    let _answering = pulse.answering();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(patience);
    router.oneshot(request).await
}

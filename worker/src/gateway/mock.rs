//! `ordermill-worker mock-gateway`: the mock gateway as a process of its own, outside of our database, that
//! can be slow, away, killed and started again, as a real one can.
//!
//! - A call's line is on disk before its answer is sent; a gateway that is started again on the same
//!   ledger knows every key.
//! - A caller that leaves does not undo what was decided; its next call with the key learns it.
//! - `POST /mock/behaviour` makes it misbehave while it runs, see [`Behaviour`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ordermill_common::ops::{self, Patience, listen, livez};
use ordermill_common::payment::gateway::within;
use ordermill_common::payment::mock::MockGateway;
use ordermill_common::payment::{Gateway as _, GatewayError, Verdict};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::wire::{CHARGES, ChargeBody, VOIDS, VerdictBody, VoidBody};
use crate::config::MockGatewayArgs;

/// How long a call that gets no answer is held.
const HOLD: Duration = Duration::from_mins(1);
/// The process's name in the ledger's lines.
const NAME: &str = "mock-gateway";

/// How the gateway misbehaves, for tests of faults. Each `POST /mock/behaviour` replaces it as a whole: what
/// is left out is as it should be, so `{}` ends all trouble.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Milliseconds between the decision, which is in the ledger by then, and its answer.
    pub delay_ms: u32,
    /// Calls are answered 503. They are not looked at: the ledger tells nothing of them.
    pub unavailable: bool,
}

/// Serves the gateway until `ending`, and then leaves at once: who is waiting gets no answer.
pub async fn run(args: &MockGatewayArgs, ending: CancellationToken) -> anyhow::Result<()> {
    let ledger = &args.payment_ledger;
    let gateway = MockGateway::open_synced(ledger, NAME)
        .with_context(|| format!("cannot open the payment ledger {}", ledger.display()))?;
    let listener = listen("payment gateway", args.addr, args.port_file.as_deref()).await?;
    tokio::select! {
        () = serve(listener, gateway) => {}
        () = ending.cancelled() => {}
    }
    Ok(())
}

/// Serves on the listener for as long as it is polled.
pub async fn serve(listener: TcpListener, gateway: MockGateway) {
    let counter = Arc::new(Counter { gateway, behaviour: Mutex::default() });
    let router = Router::new()
        .route(CHARGES, post(charge))
        .route(VOIDS, post(void))
        .route("/mock/behaviour", post(behave))
        .with_state(counter)
        .merge(livez());
    ops::serve(listener, router, Patience::default(), CancellationToken::new()).await;
}

struct Counter {
    gateway: MockGateway,
    behaviour: Mutex<Behaviour>,
}

async fn charge(
    State(counter): State<Arc<Counter>>,
    Json(body): Json<ChargeBody>,
) -> Result<Json<VerdictBody>, NoVerdict> {
    let charge = body.into();
    let verdict = counter.answer(counter.gateway.charge(&charge)).await?;
    Ok(Json(match verdict {
        Verdict::Captured => VerdictBody::Captured,
        Verdict::Declined(reason) => VerdictBody::Declined { reason },
    }))
}

async fn void(
    State(counter): State<Arc<Counter>>,
    Json(body): Json<VoidBody>,
) -> Result<Json<VerdictBody>, NoVerdict> {
    counter.answer(counter.gateway.void(body.key)).await?;
    Ok(Json(VerdictBody::Voided))
}

async fn behave(
    State(counter): State<Arc<Counter>>,
    Json(behaviour): Json<Behaviour>,
) -> Json<Behaviour> {
    tracing::info!(behaviour.delay_ms, behaviour.unavailable, "the behaviour changes");
    *counter.behaviour() = behaviour;
    Json(behaviour)
}

impl Counter {
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, GatewayError>>,
    ) -> Result<T, NoVerdict> {
        let answer = if self.behaviour().unavailable {
            Err(GatewayError::Unavailable("it was told to be".to_owned()))
        } else {
            within(HOLD, call).await
        };
        let delay = Duration::from_millis(u64::from(self.behaviour().delay_ms));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        answer.map_err(NoVerdict)
    }

    fn behaviour(&self) -> std::sync::MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct NoVerdict(GatewayError);

impl IntoResponse for NoVerdict {
    fn into_response(self) -> Response {
        let status = match self.0 {
            GatewayError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            GatewayError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(serde_json::json!({"error": self.0.to_string()}))).into_response()
    }
}

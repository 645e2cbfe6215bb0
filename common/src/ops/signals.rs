//! SIGTERM and SIGINT start a drain; a second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice, as of one killed by SIGINT.
const TOLD_TWICE: i32 = 130;

/// A token that is cancelled by the first SIGTERM or SIGINT. The second ends the process without
/// ceremony: what was in flight is found again by its leases and wake-ups.
pub fn draining() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let told = token.clone();
    #[expect(clippy::disallowed_methods, reason = "it listens for as long as the process lives")]
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "draining");
        told.cancel();
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "told a second time, ending at once");
        #[expect(clippy::exit, clippy::disallowed_methods, reason = "the operator insists")]
        std::process::exit(TOLD_TWICE);
    });
    Ok(token)
}

async fn next(
    terminate: &mut tokio::signal::unix::Signal,
    interrupt: &mut tokio::signal::unix::Signal,
) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

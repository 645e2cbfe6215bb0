//! Waiting for facts, never for time.

use std::time::{Duration, Instant};

/// How long a fact may take before the story has failed; generous, because two cores do everything.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);

/// Asks until the answer is there. Panics with `what` when it does not come within a minute.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "waited for a minute: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until it is so. Panics with `what` when it is not within `seconds`.
pub async fn within(seconds: u64, what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(seconds);
    while !fact().await {
        assert!(Instant::now() < give_up, "not within {seconds} s: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

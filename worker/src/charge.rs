//! The calls to the payment gateway: bounded in number and time, and never with a transaction open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ordermill_common::crash_point;
use ordermill_common::money::Currency;
use ordermill_common::payment::breaker::{BreakerLimits, Change};
use ordermill_common::payment::gateway::within;
use ordermill_common::payment::{Breaker, Charge, Gateway, Method, Verdict};
use ordermill_common::trace::RequestId;
use tokio::sync::Semaphore;

use crate::decide::{Call, CallOutcome};
use crate::task::Task;

/// How long an order waits for its turn before it is put off.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The way to the gateway, shared by everything that this worker has in hand.
#[derive(Clone)]
pub struct Till {
    gateway: Arc<dyn Gateway>,
    permits: Arc<Semaphore>,
    breaker: Arc<Mutex<Breaker>>,
    longest_wait: Duration,
    timeout: Duration,
    currency: Currency,
}

impl std::fmt::Debug for Till {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Till").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Till {
    /// At most `charges` calls at once, each of at most `timeout`.
    pub fn new(
        gateway: Arc<dyn Gateway>,
        charges: usize,
        timeout: Duration,
        currency: Currency,
    ) -> Self {
        Self {
            gateway,
            permits: Arc::new(Semaphore::new(charges)),
            breaker: Arc::new(Mutex::new(Breaker::new(BreakerLimits::default()))),
            longest_wait: LONGEST_WAIT,
            timeout,
            currency,
        }
    }

    /// How long a lease must run to cover the wait, the call and its settlement.
    pub fn lease(timeout: Duration) -> Duration {
        LONGEST_WAIT + timeout + Duration::from_secs(15)
    }

    /// Charges the payment. `leased_until` is when the lease ends at the earliest: a call that could
    /// outlast it is not made.
    pub async fn charge(
        &self,
        task: &Task,
        request: &RequestId,
        leased_until: Instant,
    ) -> CallOutcome {
        let Ok(method) = task.method.parse::<Method>() else {
            return CallOutcome::Declined("unknown_payment_method".to_owned());
        };
        let charge = Charge {
            key: task.payment_id,
            amount: task.amount,
            currency: self.currency,
            method,
            request: Some(request.clone()),
        };
        let call = async {
            crash_point!("charge.before_call");
            let answer = within(self.timeout, self.gateway.charge(&charge)).await;
            crash_point!("charge.after_call");
            answer
        };
        match self.call(call, leased_until).await {
            Ok(Ok(Verdict::Captured)) => CallOutcome::Captured,
            Ok(Ok(Verdict::Declined(why))) => CallOutcome::Declined(why),
            Ok(Err(error)) => CallOutcome::NoVerdict(Call::Charge, error.as_str().to_owned()),
            Err(uncalled) => uncalled,
        }
    }

    /// Voids the payment, on the same terms.
    pub async fn void(&self, task: &Task, leased_until: Instant) -> CallOutcome {
        let call = async {
            crash_point!("void.before_call");
            let answer = within(self.timeout, self.gateway.void(task.payment_id)).await;
            crash_point!("void.after_call");
            answer
        };
        match self.call(call, leased_until).await {
            Ok(Ok(())) => CallOutcome::Voided,
            Ok(Err(error)) => CallOutcome::NoVerdict(Call::Void, error.as_str().to_owned()),
            Err(uncalled) => uncalled,
        }
    }

    /// What the call answered; or why it was not made.
    async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        leased_until: Instant,
    ) -> Result<Result<T, E>, CallOutcome> {
        let waiting = tokio::time::timeout(self.longest_wait, self.permits.acquire());
        let Ok(Ok(permit)) = waiting.await else { return Err(CallOutcome::NotCalled) };
        let now = Instant::now();
        if now + self.timeout > leased_until {
            return Err(CallOutcome::NotCalled);
        }
        let pass = self.breaker().pass(now).map_err(CallOutcome::Barred)?;
        let answer = call.await;
        drop(permit);
        match self.breaker().record(&pass, answer.is_ok(), Instant::now()) {
            Change::None => {}
            Change::Opened(pause) => {
                tracing::warn!(
                    pause_ms = pause.as_millis(),
                    "the payment gateway gives no verdicts"
                );
            }
            Change::Closed => tracing::info!("the payment gateway answers again"),
        }
        Ok(answer)
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! Who is called and who is put off, with a gateway that does what a test says.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::BoxFuture;
use ordermill_common::id::{OrderId, PaymentId};
use ordermill_common::payment::gateway::GatewayError;

use super::*;

const CALL: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Fake {
    calls: AtomicUsize,
    fails: AtomicBool,
    hangs: AtomicBool,
}

impl Fake {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    async fn answer<T>(&self, verdict: T) -> Result<T, GatewayError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(GatewayError::Unavailable("on purpose".to_owned()));
        }
        Ok(verdict)
    }
}

impl Gateway for Fake {
    fn charge<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<Verdict, GatewayError>> {
        Box::pin(self.answer(Verdict::Captured))
    }

    fn void(&self, _: PaymentId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(self.answer(()))
    }
}

fn till(gateway: &Arc<Fake>, charges: usize, timeout: Duration) -> Till {
    let gateway = Arc::clone(gateway);
    Till::new(gateway, charges, timeout, "EUR".parse().expect("a currency"))
}

async fn charge(till: &Till, lease: Duration) -> CallOutcome {
    let task = Task {
        order_id: OrderId::mint(),
        payment_id: PaymentId::mint(),
        method: "tok_approve".to_owned(),
        amount: 1_000,
    };
    till.charge(&task, &RequestId::mint(), Instant::now() + lease).await
}

#[tokio::test]
async fn a_call_that_could_outlast_its_lease_is_not_made() {
    let gateway = Arc::new(Fake::default());
    let till = till(&gateway, 1, CALL);
    assert_eq!(charge(&till, CALL.mul_f32(0.9)).await, CallOutcome::NotCalled);
    assert_eq!(gateway.calls(), 0);
    assert_eq!(charge(&till, Till::lease(CALL)).await, CallOutcome::Captured);
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn who_waits_too_long_for_a_permit_is_put_off_while_others_are_called() {
    assert_eq!(LONGEST_WAIT, Duration::from_secs(5));
    let gateway = Arc::new(Fake { hangs: AtomicBool::new(true), ..Fake::default() });
    let call = Duration::from_secs(2);
    let till = Till { longest_wait: Duration::from_millis(20), ..till(&gateway, 2, call) };
    let lease = Till::lease(call);
    let answers = tokio::join!(charge(&till, lease), charge(&till, lease), charge(&till, lease));
    let timed_out = CallOutcome::NoVerdict(Call::Charge, "timed_out".to_owned());
    assert_eq!(answers, (timed_out.clone(), timed_out, CallOutcome::NotCalled));
    assert_eq!(gateway.calls(), 2);
    assert_eq!(till.permits.available_permits(), 2);
}

#[tokio::test]
async fn an_open_breaker_is_met_at_once_and_holds_no_permit() {
    let gateway = Arc::new(Fake { fails: AtomicBool::new(true), ..Fake::default() });
    let till = till(&gateway, 1, CALL);
    let lease = Till::lease(CALL);
    for _ in 0..20 {
        assert!(matches!(charge(&till, lease).await, CallOutcome::NoVerdict(..)));
    }
    assert!(matches!(charge(&till, lease).await, CallOutcome::Barred(_)));
    assert_eq!(gateway.calls(), 20, "as many as open it");
    assert_eq!(till.permits.available_permits(), 1);
    assert!(till.breaker().is_open());
}

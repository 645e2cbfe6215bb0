//! One buyer's invoices, in order: fill the cart, check out, go on while the order runs.
//!
//! The next cart is filled while the previous order is still running and, in the order of all invoices,
//! well before its own turn. So its stock may be gone when it is checked out, as in a real shop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::outcome::{Outcome, Outcomes};
use super::plan::{Invoice, Line, Plan, What};
use super::setup::Opened;
use super::turns::Turns;
use crate::client::{CallError, Client};
use crate::http::Request;
use crate::shop::{self, Account, Order};

// How far ahead of the first unfinished invoice carts are filled, and checkouts sent.
const CARTS_AHEAD: usize = 1000;
const CHECKOUTS_AHEAD: usize = 256;
const LINES_AT_A_TIME: usize = 16;
// A buyer whose order takes longer goes on; the order is waited for at the end.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// What all buyers share.
#[derive(Debug)]
pub struct Stage {
    /// What there is to do.
    pub plan: Plan,
    /// With what.
    pub opened: Opened,
    /// The installation's currency.
    pub currency: String,
    /// Whose turn it is.
    pub turns: Turns,
    /// What became of it.
    pub outcomes: Outcomes,
    /// The API.
    pub client: Arc<Client>,
    /// Bounds the requests for cart lines in flight.
    pub requests: Semaphore,
    /// When the first invoice is due, and how many times faster than real time goes.
    pub speed: Option<(Instant, f64)>,
}

/// A buyer on the way through the invoices.
pub(super) struct Visit {
    pub(super) stage: Arc<Stage>,
    buyer: usize,
    /// The orders that are running, at most one unless they take very long.
    pub(super) running: Running,
    /// Whether the cart may hold what was not put there for the present invoice.
    pub(super) is_cart_mixed: bool,
}

/// Orders that are waited for; each answers whether its lines went back into the cart.
pub type Running = JoinSet<bool>;

/// Goes through all invoices of a buyer; answers what is running still.
pub async fn visit(stage: Arc<Stage>, buyer: usize) -> Running {
    let invoices = stage.plan.buyers[buyer].invoices.clone();
    let mut visit = Visit { stage, buyer, running: Running::new(), is_cart_mixed: false };
    for place in invoices {
        let stage = Arc::clone(&visit.stage);
        let outcome = match &stage.plan.invoices[place].what {
            What::NothingToSell => Outcome::NothingToSell,
            What::Sale(lines) => visit.buy(place, lines).await,
            What::Return(wanted) => Outcome::Returned(visit.give_back(place, *wanted).await),
        };
        stage.outcomes.note(place, outcome);
        stage.turns.finish(place);
    }
    visit.running
}

impl Visit {
    pub(super) fn account(&self) -> &Account {
        &self.stage.opened.buyers[self.buyer]
    }

    async fn buy(&mut self, place: usize, lines: &[Line]) -> Outcome {
        let stage = Arc::clone(&self.stage);
        stage.turns.wait(place, CARTS_AHEAD).await;
        let repeats = stage.client.repeats();
        let mut running = std::mem::take(&mut self.running);
        let (filled, put_back) = tokio::join!(self.fill(lines), last_end(&mut running));
        self.running = running;
        // A request that was given up, and sent again, may still arrive after all others.
        self.is_cart_mixed |= put_back || stage.client.repeats() > repeats;
        let ready = match filled {
            Ok(()) if self.is_cart_mixed => self.tidy(lines).await,
            filled => filled,
        };
        self.due(place).await;
        let sent = match ready {
            Ok(()) => self.check_out(&stage.plan.invoices[place], lines).await,
            Err(CallError::Refused(problem)) => Ok(Outcome::RefusedAtCart(problem.code)),
            Err(error) => Err(error),
        };
        let outcome = sent.unwrap_or_else(|error| {
            stage.outcomes.fault(format!("invoice {}: {error}", stage.plan.invoices[place].number));
            Outcome::Unanswered
        });
        if let Outcome::Accepted(id) = &outcome {
            self.running.spawn(follow(Arc::clone(&stage), self.buyer, id.clone()));
        } else {
            // It may hold what was not answered, even so.
            let _ = self.account().clear_cart().await;
            self.is_cart_mixed = true;
        }
        outcome
    }

    /// Sets every line, several at a time; begins no more once one is refused, and answers that refusal.
    async fn fill(&self, lines: &[Line]) -> Result<(), CallError> {
        let is_refused = AtomicBool::new(false);
        let set = async |line: Line| {
            let _permit = self.stage.requests.acquire().await.expect("it is never closed");
            if is_refused.load(Ordering::Relaxed) {
                return Ok(());
            }
            let product = &self.stage.opened.products[line.product];
            let result = self.account().set_line(product, line.quantity).await;
            is_refused.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        };
        let sets = futures::stream::iter(lines.iter().copied().map(set));
        let all: Vec<_> = sets.buffer_unordered(LINES_AT_A_TIME).collect().await;
        all.into_iter().collect()
    }

    /// Makes the cart hold exactly these lines, whatever else an order that failed, or an invoice that was
    /// refused, has left in it.
    async fn tidy(&mut self, lines: &[Line]) -> Result<(), CallError> {
        let wanted = self.named(lines);
        let held = self.account().cart().await?.lines;
        for line in
            held.iter().filter(|line| !wanted.iter().any(|w| w.product_id == line.product_id))
        {
            self.account().set_line(&line.product_id, 0).await?;
        }
        for line in wanted.iter().filter(|line| !held.contains(line)) {
            self.account().set_line(&line.product_id, line.quantity).await?;
        }
        self.is_cart_mixed = false;
        Ok(())
    }

    /// Waits for the invoice's turn and, unless at full speed, its time.
    pub(super) async fn due(&self, place: usize) {
        self.stage.turns.wait(place, CHECKOUTS_AHEAD).await;
        if let Some((start, speed)) = self.stage.speed {
            let invoices = &self.stage.plan.invoices;
            let after = (invoices[place].at - invoices[0].at).as_seconds_f64() / speed;
            sleep_until(start + Duration::from_secs_f64(after.max(0.0))).await;
        }
    }

    async fn check_out(&self, invoice: &Invoice, lines: &[Line]) -> Result<Outcome, CallError> {
        let products = &self.stage.plan.products;
        let total: i64 =
            lines.iter().map(|line| products[line.product].price * i64::from(line.quantity)).sum();
        let body = serde_json::json!({
            "payment_method": "tok_approve",
            "expected_total": {"amount": total, "currency": self.stage.currency},
        });
        let body = body.to_string();
        let request = Request::json("POST", "/v1/checkout", &body).keyed(&invoice.number);
        let order: Order = match self.account().ask(request).await {
            Err(CallError::Refused(problem)) => {
                return Ok(Outcome::RefusedAtCheckout(problem.code));
            }
            answer => answer?,
        };
        if by_product(order.lines) != by_product(self.named(lines)) {
            let (id, number) = (&order.id, &invoice.number);
            self.stage.outcomes.fault(format!("order {id} has other lines than invoice {number}"));
        }
        Ok(Outcome::Accepted(order.id))
    }

    fn named(&self, lines: &[Line]) -> Vec<shop::Line> {
        let named = |line: &Line| shop::Line {
            product_id: self.stage.opened.products[line.product].clone(),
            quantity: line.quantity,
        };
        lines.iter().map(named).collect()
    }
}

fn by_product(mut lines: Vec<shop::Line>) -> Vec<shop::Line> {
    lines.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    lines
}

/// Waits until what runs has ended; answers whether lines may have gone back into the cart.
pub(super) async fn last_end(running: &mut Running) -> bool {
    let mut put_back = false;
    let all = async {
        while let Some(ended) = running.join_next().await {
            put_back |= ended.unwrap_or(true);
        }
    };
    let in_time = timeout(PATIENCE, all).await.is_ok();
    put_back || !in_time
}

/// Waits until the order has ended, however long that takes, and notes it. An order that cannot be read,
/// or goes back, is a fault. Answers whether its lines went back into the cart.
async fn follow(stage: Arc<Stage>, buyer: usize, id: String) -> bool {
    let account = &stage.opened.buyers[buyer];
    let (mut pause, mut version) = (Duration::from_millis(20), 0);
    loop {
        let order = match account.order(&id).await {
            Ok(order) => order,
            Err(error) => {
                stage.outcomes.fault(format!("order {id} cannot be read: {error}"));
                return true;
            }
        };
        if order.version < version {
            stage.outcomes.fault(format!("order {id} went back to version {}", order.version));
        }
        if order.has_ended() {
            stage.outcomes.ended(&order);
            return matches!(order.status.as_str(), "rejected" | "payment_failed");
        }
        version = order.version;
        sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(400));
    }
}

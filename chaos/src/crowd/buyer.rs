//! A buyer: fills the cart, checks out in one of the ways that people and clients do, changes their mind
//! now and then, and looks at what becomes of it.

mod checkout;
mod kept;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use ordermill_bench::http::Request;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::kept::Kept;
use super::Mood;
use super::caller::Caller;
use super::pace::Pace;

const BETWEEN_LOOKS: Duration = Duration::from_millis(80);
/// Orders of the past that a buyer still looks at.
const REMEMBERED: usize = 8;
/// How long a call that was given up may still be carried out: longer than any process stands still.
const LATEST: Duration = Duration::from_mins(2);

/// Somebody with an account and a habit.
#[derive(Debug)]
pub(super) struct Buyer {
    caller: Caller,
    email: String,
    mood: Arc<Mood>,
    pace: Arc<Pace>,
    products: Arc<[String]>,
    orders: u64,
    kept: Kept,
    /// Some orders whose first answer was waited for.
    past: Vec<String>,
    /// The place of the last double click, until the cart is filled again.
    clicked: Option<usize>,
    /// What calls that were given up may still put into the cart, and since when.
    loose: Vec<(Instant, String)>,
}

impl Buyer {
    /// Has an account and is logged in; nothing is bought yet.
    pub(super) fn new(
        caller: Caller,
        email: String,
        mood: Arc<Mood>,
        pace: Arc<Pace>,
        products: Arc<[String]>,
    ) -> Self {
        let (kept, past, clicked, loose) = (Kept::default(), Vec::new(), None, Vec::new());
        Self { caller, email, mood, pace, products, orders: 0, kept, past, clicked, loose }
    }

    /// Buys until `closing`; an order that was begun is brought to its answer. Then some keys of the whole
    /// time are used once more.
    pub(super) async fn shop(mut self, closing: CancellationToken) -> Result<()> {
        while !closing.is_cancelled() {
            self.pace.turn().await;
            self.buy(&closing).await?;
            let pause = self.caller.dice().between(0, 2 * self.mood.think_ms);
            let thinking = sleep(Duration::from_millis(pause));
            let _ = closing.run_until_cancelled(thinking).await;
        }
        self.use_keys_again().await
    }

    async fn buy(&mut self, closing: &CancellationToken) -> Result<()> {
        if !self.fill().await? {
            return Ok(());
        }
        self.orders += 1;
        let body = json!({"payment_method": self.mood.token(self.caller.dice())}).to_string();
        let orders = if self.caller.dice().percent(self.mood.keyless) {
            self.check_out_without_key(&body).await
        } else {
            self.check_out(&body).await?
        };
        for order in orders {
            if self.caller.dice().percent(self.mood.cancels) {
                self.cancel(&order).await?;
            }
            self.watch(&order, closing).await?;
            if self.past.len() == REMEMBERED {
                let place = self.caller.dice().below(REMEMBERED);
                self.past.swap_remove(place);
            }
            self.past.push(order);
        }
        self.look_back().await
    }

    /// Looks at an order of the past, which an administrator may have moved along.
    async fn look_back(&mut self) -> Result<()> {
        if !self.past.is_empty() {
            let order = self.caller.dice().pick(&self.past).clone();
            self.look(&order).await?;
        }
        Ok(())
    }

    /// Puts one to three products into the cart; `false` when none is to be had.
    async fn fill(&mut self) -> Result<bool> {
        if let Some(click) = self.clicked.take() {
            self.caller.testimony().filled_again(click);
        }
        let lines = self.caller.dice().between(1, 3);
        let mut filled = false;
        for _ in 0..lines {
            let product = self.caller.dice().pick(&self.products).clone();
            let path = format!("/v1/cart/lines/{product}");
            let quantity = self.caller.dice().between(1, 2);
            let body = format!("{{\"quantity\":{quantity}}}");
            let request = Request::json("PUT", &path, &body);
            let reply = self.caller.ask("set line", &product, &request).await?;
            filled |= reply.is_ok();
            if reply.lags {
                self.loose.push((Instant::now(), product));
            }
        }
        Ok(filled)
    }

    /// What may come into the cart at any time, though nobody puts it there any more.
    fn loose(&mut self) -> BTreeSet<String> {
        self.loose.retain(|(since, _)| since.elapsed() < LATEST);
        self.loose.iter().map(|(_, product)| product.clone()).collect()
    }

    /// Asks to cancel at any moment of the order's first second.
    async fn cancel(&mut self, order: &str) -> Result<()> {
        let delay = if self.caller.dice().percent(50) { 20 } else { 1_000 };
        let delay = self.caller.dice().between(0, delay);
        sleep(Duration::from_millis(delay)).await;
        let path = format!("/v1/orders/{order}/cancel");
        let request = Request::new("POST", &path);
        let reply = self.caller.ask("cancel", order, &request).await?;
        self.caller.testimony().wished(order, reply.status);
        Ok(())
    }

    /// Looks at the order until it has ended, or patience has.
    async fn watch(&mut self, order: &str, closing: &CancellationToken) -> Result<()> {
        for _ in 0..self.mood.looks {
            let status = self.look(order).await?;
            let is_open = matches!(status.as_deref(), Some("accepted" | "reserved"));
            if !is_open || closing.is_cancelled() {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }

    /// Answers its status; `None` when it cannot be read, which is a violation.
    async fn look(&mut self, order: &str) -> Result<Option<String>> {
        let path = format!("/v1/orders/{order}");
        let reply = self.caller.ask("look", order, &Request::new("GET", &path)).await?;
        if !reply.is_ok() {
            let words = format!("{order} was accepted, and reading it is {}", reply.status);
            self.caller.testimony().violation(words);
            return Ok(None);
        }
        let version = reply.body["version"].as_u64().unwrap_or_default();
        let status = reply.text("status");
        self.caller.testimony().saw(order, version, status);
        Ok(Some(status.to_owned()))
    }
}

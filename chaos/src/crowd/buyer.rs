//! A buyer: fills the cart, checks out in one of the ways that people and clients do, changes their mind
//! now and then, and looks at what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ordermill_bench::http::Request;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Mood;
use super::caller::{Caller, Reply};
use super::pace::Pace;
use crate::testimony::Purchase;

const BETWEEN_LOOKS: Duration = Duration::from_millis(80);

/// Somebody with an account and a habit.
#[derive(Debug)]
pub(super) struct Buyer {
    pub(super) caller: Caller,
    pub(super) email: String,
    pub(super) mood: Arc<Mood>,
    pub(super) pace: Arc<Pace>,
    pub(super) products: Arc<[String]>,
    pub(super) orders: u64,
}

impl Buyer {
    /// Buys until `closing`; an order that was begun is brought to its answer.
    pub(super) async fn shop(mut self, closing: CancellationToken) -> Result<()> {
        while !closing.is_cancelled() {
            self.pace.turn().await;
            self.buy(&closing).await?;
            let pause = self.caller.dice().between(0, 2 * self.mood.think_ms);
            let thinking = sleep(Duration::from_millis(pause));
            let _ = closing.run_until_cancelled(thinking).await;
        }
        Ok(())
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
        }
        Ok(())
    }

    /// Puts one to three products into the cart; `false` when none is to be had.
    async fn fill(&mut self) -> Result<bool> {
        let lines = self.caller.dice().between(1, 3);
        let mut filled = false;
        for _ in 0..lines {
            let product = self.caller.dice().pick(&self.products).clone();
            let path = format!("/v1/cart/lines/{product}");
            let quantity = self.caller.dice().between(1, 2);
            let body = format!("{{\"quantity\":{quantity}}}");
            let request = Request::json("PUT", &path, &body);
            filled |= self.caller.ask("set line", &product, &request).await?.is_ok();
        }
        Ok(filled)
    }

    /// Checks out with a key, which is sent until the answer is known; then perhaps again, and perhaps
    /// with another body.
    async fn check_out(&mut self, body: &str) -> Result<Vec<String>> {
        let key = format!("{}-{}", self.email, self.orders);
        let request = Request::json("POST", "/v1/checkout", body).keyed(&key);
        let place = self.purchase(Some(key.clone()));
        let mut is_sure = true;
        if self.caller.dice().percent(self.mood.doubles) {
            for reply in self.caller.twice("checkout twice", &key, &request).await {
                is_sure &= reply.is_some();
                self.note(place, reply.as_ref());
            }
        }
        let reply = self.caller.ask("checkout", &key, &request).await?;
        let Some(order) = self.note(place, Some(&reply)) else {
            self.caller.testimony().refused(place, reply.status, is_sure && reply.is_sure);
            return Ok(Vec::new());
        };
        if self.caller.dice().percent(self.mood.doubles) {
            let again = self.caller.ask("checkout again", &key, &request).await?;
            if self.note(place, Some(&again)).is_none() {
                self.caller.testimony().refused(place, again.status, false);
            }
        }
        if self.caller.dice().percent(self.mood.doubles) {
            self.reuse(&key, body).await?;
        }
        Ok(vec![order])
    }

    /// The key with another body.
    async fn reuse(&mut self, key: &str, body: &str) -> Result<()> {
        let other = format!("{body} ");
        let request = Request::json("POST", "/v1/checkout", &other).keyed(key);
        let reply = self.caller.ask("reuse key", key, &request).await?;
        if reply.status != 422 || reply.text("code") != "idempotency_key_reused" {
            let words =
                format!("{key} with another body was answered {} {}", reply.status, reply.body);
            self.caller.testimony().violation(words);
        }
        Ok(())
    }

    /// Clicks twice. Each answer names an order: one, or two if something was put back into the cart between
    /// the clicks.
    async fn check_out_without_key(&mut self, body: &str) -> Vec<String> {
        let request = Request::json("POST", "/v1/checkout", body);
        let email = self.email.clone();
        let mut orders = Vec::new();
        for reply in self.caller.twice("checkout without key", &email, &request).await {
            let place = self.purchase(None);
            if let Some(order) = self.note(place, reply.as_ref())
                && !orders.contains(&order)
            {
                orders.push(order);
            }
        }
        if let [one, other] = orders.as_slice() {
            self.caller.testimony().two_orders([one.clone(), other.clone()]);
        }
        orders
    }

    fn purchase(&self, key: Option<String>) -> usize {
        self.caller.testimony().purchase(Purchase::new(&self.email, key))
    }

    /// Takes an accepted order's id down.
    fn note(&self, place: usize, reply: Option<&Reply>) -> Option<String> {
        let reply = reply.filter(|reply| reply.status == 202)?;
        let order = reply.text("id").to_owned();
        self.caller.testimony().answered(place, &order, &reply.body);
        Some(order)
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
        let path = format!("/v1/orders/{order}");
        for _ in 0..self.mood.looks {
            let reply = self.caller.ask("look", order, &Request::new("GET", &path)).await?;
            if !reply.is_ok() {
                let words = format!("{order} was accepted, and reading it is {}", reply.status);
                self.caller.testimony().violation(words);
                return Ok(());
            }
            let version = reply.body["version"].as_u64().unwrap_or_default();
            let status = reply.text("status");
            self.caller.testimony().saw(order, version, status);
            if !matches!(status, "accepted" | "reserved") || closing.is_cancelled() {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }
}

//! The load: buyers and a clerk who go on whatever breaks, and testify afterwards.

mod buyer;
pub mod caller;
mod clerk;
mod pace;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ordermill_bench::http::Request;
use ordermill_bench::installation::Admin;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::buyer::Buyer;
use self::caller::{Caller, clients};
use self::pace::Pace;
use crate::dice::Dice;
use crate::stage::{CURRENCY, Stage};
use crate::testimony::Testimony;

const PASSWORD: &str = "a long password";

/// How the buyers behave; chances are of a hundred.
#[derive(Debug, Clone)]
pub struct Mood {
    /// Buyers.
    pub buyers: usize,
    /// Milliseconds between two orders of a buyer, on average.
    pub think_ms: u64,
    /// How often an accepted order is looked at before its buyer goes on.
    pub looks: u32,
    /// Orders that somebody asks to cancel.
    pub cancels: u32,
    /// Checkouts that are sent twice, repeated later, or repeated with another body.
    pub doubles: u32,
    /// Checkouts without a key, clicked twice.
    pub keyless: u32,
    /// Payment tokens with their weights.
    pub tokens: Vec<(&'static str, usize)>,
    /// Products with plenty of stock.
    pub products: usize,
    /// Units of the one product that soon runs out.
    pub scarce: u64,
}

impl Default for Mood {
    fn default() -> Self {
        Self {
            buyers: 24,
            think_ms: 250,
            looks: 25,
            cancels: 15,
            doubles: 12,
            keyless: 8,
            tokens: vec![
                ("tok_approve", 80),
                ("tok_decline_insufficient_funds", 8),
                ("tok_slow_150", 6),
                ("tok_fail_once", 3),
                ("tok_timeout_after_charge", 2),
                ("tok_timeout", 1),
            ],
            products: 12,
            scarce: 200,
        }
    }
}

impl Mood {
    fn token(&self, dice: &mut Dice) -> &'static str {
        let all: usize = self.tokens.iter().map(|(_, weight)| weight).sum();
        let mut place = dice.below(all);
        for (token, weight) in &self.tokens {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return token,
            }
        }
        "tok_approve"
    }
}

/// A product and how many units there were in the beginning.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// Its id.
    pub product: String,
    /// Units.
    pub stock: u64,
}

/// Buyers at work.
#[derive(Debug)]
pub struct Crowd {
    closing: CancellationToken,
    pace: Arc<Pace>,
    tasks: JoinSet<Result<()>>,
    /// What they testify.
    pub testimony: Arc<Testimony>,
    /// What was on sale.
    pub shelves: Vec<Shelf>,
    /// An administrator, for looks of ours.
    pub clerk: Caller,
}

impl Crowd {
    /// Puts products on sale, registers the buyers and lets them in.
    pub async fn enter(stage: &Stage<'_>, mood: Mood, seed: u64) -> Result<Self> {
        let testimony = Arc::new(Testimony::begin(&stage.site.folder().join("client.jsonl"))?);
        let apis = clients(stage.addresses());
        let call = |name: &str| {
            let dice = Dice::new(seed, name);
            Caller::new(name.to_owned(), Arc::clone(&apis), Arc::clone(&testimony), dice)
        };
        let Admin { email, password } = stage.site.admin().clone();
        let mut clerk = call("clerk");
        clerk.enter(&email, &password, false).await?;
        let shelves = stock(&mut clerk, &mood).await?;
        let products: Arc<[String]> = shelves.iter().map(|shelf| shelf.product.clone()).collect();
        let mood = Arc::new(mood);
        let (closing, pace) = (CancellationToken::new(), Arc::new(Pace::default()));
        let mut tasks = JoinSet::new();
        for number in 0..mood.buyers {
            let mut caller = call(&format!("buyer-{number}"));
            let email = format!("buyer-{number}@chaos.example");
            caller.enter(&email, PASSWORD, true).await?;
            let (mood, pace) = (Arc::clone(&mood), Arc::clone(&pace));
            let products = Arc::clone(&products);
            let buyer = Buyer::new(caller, email, mood, pace, products);
            tasks.spawn(buyer.shop(closing.clone()));
        }
        let mut working = call("clerk at work");
        working.enter(&email, &password, false).await?;
        tasks.spawn(clerk::work(working, Arc::clone(&pace), closing.clone()));
        Ok(Self { closing, pace, tasks, testimony, shelves, clerk })
    }

    /// Checkouts that were accepted so far.
    pub fn accepted(&self) -> usize {
        self.testimony.told().accepted
    }

    /// Lets so many orders a second begin, at most, from now on.
    pub fn slow_down(&self, per_second: f64) {
        self.pace.set(per_second);
    }

    /// Lets nobody begin anything new, until [`Crowd::go_on`].
    pub fn rest(&self) {
        self.pace.close(true);
    }

    /// Lets everybody in again.
    pub fn go_on(&self) {
        self.pace.close(false);
    }

    /// Lets the buyers finish what they began and use some of their keys once more; fails when one of them
    /// never got an answer, or a call is missing in their log.
    pub async fn leave(&mut self) -> Result<()> {
        self.closing.cancel();
        let mut outcome = Ok(());
        // Nobody is left behind who would still buy while everything is compared.
        while let Some(ended) = self.tasks.join_next().await {
            outcome = outcome.and(ended.context("a buyer panicked").flatten());
        }
        outcome.and(self.testimony.flush())
    }
}

async fn stock(clerk: &mut Caller, mood: &Mood) -> Result<Vec<Shelf>> {
    let plenty = (0..mood.products).map(|number| (format!("PLENTY-{number}"), 10_000_000));
    let scarce = std::iter::once(("SCARCE".to_owned(), mood.scarce));
    let mut shelves = Vec::new();
    for (sku, stock) in plenty.chain(scarce) {
        let price = json!({"amount": 1250, "currency": CURRENCY});
        let body = json!({"sku": sku, "name": sku, "price": price, "stock": stock}).to_string();
        let request = Request::json("POST", "/v1/admin/products", &body);
        let reply = clerk.ask("create product", &sku, &request).await?;
        shelves.push(Shelf { product: reply.text("id").to_owned(), stock });
    }
    Ok(shelves)
}

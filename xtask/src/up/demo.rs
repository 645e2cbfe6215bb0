//! The demo: a buyer, a cart, a checkout, and every status of the order as it is reached.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::progress::Progress;
use xtask::{secret, wait};

use super::shop::Shop;

const DEADLINE: Duration = Duration::from_mins(1);
const ENDS: [&str; 3] = ["rejected", "payment_failed", "cancelled"];

/// Places an order as a new buyer and follows it until it is paid; fails when it ends otherwise.
pub(super) fn run(shop: &Shop, progress: Progress) -> Result<()> {
    progress.note("\nA buyer orders:");
    let buyer = progress.step("Registering and logging in", || register(shop))?;
    let product = progress.step("Picking a product", || pick(&buyer))?;
    let name = text(&product, "name")?;
    progress.step(&format!("Adding “{name}” to the cart"), || {
        buyer.post("/v1/cart/lines", &json!({ "product_id": product["id"], "quantity": 1 }))
    })?;
    let started = Instant::now();
    let order = progress.step("Checking out", || {
        buyer.post("/v1/checkout", &json!({ "payment_method": "tok_approve" }))
    })?;
    let total = &order["total"];
    let id = text(&order, "id")?;
    progress.note(&format!(
        "  order {id} over {} {}",
        money(total),
        total["currency"].as_str().unwrap_or("")
    ));
    follow(&buyer, id, progress)?;
    progress.note(&format!("✓ Paid {} ms after the checkout", started.elapsed().as_millis()));
    Ok(())
}

fn register(shop: &Shop) -> Result<Shop> {
    let email = format!("demo-{}@ordermill.example", secret::hex(4)?);
    let password = secret::hex(12)?;
    shop.post("/v1/auth/register", &json!({ "email": email, "password": password }))?;
    let mut buyer = shop.as_guest();
    buyer.login(&email, &password)?;
    Ok(buyer)
}

fn pick(buyer: &Shop) -> Result<Value> {
    let page = buyer.get("/v1/products?limit=100")?;
    let products = page["data"].as_array().context("the catalogue is no list")?;
    let available = |product: &&Value| product["available"].as_i64().unwrap_or(0) > 0;
    let product = products.iter().find(available);
    product.cloned().context("nothing in the catalogue is available")
}

// The history keeps what happened between two looks.
fn follow(buyer: &Shop, id: &str, progress: Progress) -> Result<()> {
    let mut shown = 0;
    let end = wait::until(DEADLINE, || {
        let order = buyer.get(&format!("/v1/orders/{id}"))?;
        let history = order["history"].as_array().context("the order has no history")?;
        for change in &history[shown.min(history.len())..] {
            progress.note(&format!("  {}  {}", time(text(change, "at")?), text(change, "status")?));
        }
        shown = history.len();
        let status = text(&order, "status")?;
        if ENDS.contains(&status) {
            bail!("the demo order ended as {status} ({})", order["reason"]);
        }
        Ok((status == "paid").then_some(()))
    })?;
    end.with_context(|| format!("the demo order {id} is not paid after {} s", DEADLINE.as_secs()))
}

fn text<'a>(of: &'a Value, field: &str) -> Result<&'a str> {
    of[field].as_str().with_context(|| format!("the API's answer has no {field}: {of}"))
}

// Of "2026-11-22T15:04:05.123Z" the part that differs.
fn time(at: &str) -> &str {
    at.split_once('T').map_or(at, |(_, time)| time.trim_end_matches('Z'))
}

fn money(total: &Value) -> String {
    let minor = total["amount"].as_i64().unwrap_or(0);
    format!("{}.{:02}", minor / 100, minor % 100)
}

//! Exactness: the stock shrank by exactly what was ordered, and no order came to anything but paid.

use anyhow::Result;
use serde::Deserialize;

use super::arena::{Arena, STOCK};
use crate::client::CallError;
use crate::http::Request;
use crate::live;
use crate::shop::Page;

const AT_A_TIME: usize = 16;
const NOT_PAID: [&str; 5] = ["accepted", "reserved", "rejected", "payment_failed", "cancelled"];

#[derive(Deserialize)]
struct Shelf {
    available: u64,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

/// What is wrong; nothing when all is exact.
pub(super) async fn check(arena: &Arena) -> Result<Vec<String>> {
    let places = 0..arena.products.len();
    let found = live::count("Checks", places, AT_A_TIME, |place| product(arena, place)).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn product(arena: &Arena, place: usize) -> Result<Vec<String>, CallError> {
    let id = &arena.products[place];
    let mut wrong = Vec::new();
    let path = format!("/v1/admin/products/{id}");
    let shelf: Shelf = arena.admin.ask(Request::new("GET", &path)).await?;
    let expected = STOCK - arena.ordered[place];
    if shelf.available != expected {
        wrong.push(format!("{id}: {} units are left, not {expected}", shelf.available));
    }
    for status in NOT_PAID {
        let path = format!("/v1/admin/orders?status={status}&product={id}&limit=1");
        let page: Page<Listed> = arena.admin.ask(Request::new("GET", &path)).await?;
        wrong.extend(page.data.iter().map(|order| format!("order {} is {status}", order.id)));
    }
    Ok(wrong)
}

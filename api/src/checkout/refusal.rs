//! How the refusals of a checkout are told.

use ordermill_common::checkout::{Refusal, Unavailable};
use ordermill_common::id::ProductId;
use ordermill_common::money::{Currency, Money};
use serde::Serialize;

use crate::problem::{Code, Problem};

#[derive(Serialize)]
struct UnavailableBody {
    product_id: ProductId,
    sku: String,
    name: String,
}

/// The problem that names what stands in the way.
pub(super) fn told(refusal: Refusal, currency: Currency) -> Problem {
    match refusal {
        Refusal::KeyReused => Problem::new(
            Code::IdempotencyKeyReused,
            "this key came with another body before; use a new one for another order",
        ),
        Refusal::Invalid => Problem::new(Code::ValidationFailed, "the body cannot be read"),
        Refusal::EmptyCart => Problem::new(Code::EmptyCart, "there is nothing to order"),
        Refusal::Unavailable(lines) => unavailable(lines),
        Refusal::TotalIncreased { expected, total } => {
            let money = |amount| Money { amount, currency };
            Problem::new(Code::TotalIncreased, "look at the cart again before ordering it")
                .with("expected", money(expected))
                .with("total", money(total))
        }
        Refusal::TotalTooLarge => {
            Problem::new(Code::TotalTooLarge, "the lines cost more together than can be charged")
        }
    }
}

fn unavailable(lines: Vec<Unavailable>) -> Problem {
    let skus: Vec<_> = lines.iter().take(5).map(|line| line.sku.as_str()).collect();
    let more = if lines.len() > skus.len() { ", ..." } else { "" };
    let detail = format!("no longer sold: {}{more}", skus.join(", "));
    let body = |Unavailable { product_id, sku, name }| UnavailableBody { product_id, sku, name };
    let bodies: Vec<_> = lines.into_iter().map(body).collect();
    Problem::new(Code::ProductUnavailable, detail).with("products", bodies)
}

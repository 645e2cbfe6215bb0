//! A cart on the wire.

use ordermill_common::cart::{Cart, Issue, Line};
use ordermill_common::id::{OrderId, ProductId};
use ordermill_common::money::{Currency, Money, line_total};
use serde::Serialize;

/// A cart as its buyer sees it.
#[derive(Debug, Serialize)]
pub struct CartBody {
    version: i64,
    lines: Vec<LineBody>,
    /// `null` when the sum is beyond any amount of money; such a cart cannot be ordered.
    total: Option<Money>,
    last_order: Option<OrderId>,
}

#[derive(Debug, Serialize)]
struct LineBody {
    product_id: ProductId,
    sku: String,
    name: String,
    quantity: u32,
    price: Money,
    line_total: Option<Money>,
    available: i64,
    issues: Vec<IssueBody>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
enum IssueBody {
    PriceChanged { was: Money },
    InsufficientStock { available: i64 },
    ProductUnavailable,
}

impl CartBody {
    /// The cart with its prices in the installation's currency.
    pub fn new(cart: &Cart, currency: Currency) -> Self {
        let lines = cart.in_order().into_iter().map(|(id, line)| line_body(id, line, currency));
        Self {
            version: cart.version,
            lines: lines.collect(),
            total: cart.total().map(|amount| Money { amount, currency }),
            last_order: cart.last_order,
        }
    }
}

fn line_body(product_id: ProductId, line: &Line, currency: Currency) -> LineBody {
    let money = |amount| Money { amount, currency };
    let product = &line.product;
    let issue = |issue| match issue {
        Issue::PriceChanged { was } => IssueBody::PriceChanged { was: money(was) },
        Issue::InsufficientStock { available } => IssueBody::InsufficientStock { available },
        Issue::ProductUnavailable => IssueBody::ProductUnavailable,
    };
    LineBody {
        product_id,
        sku: product.sku.clone(),
        name: product.name.clone(),
        quantity: line.quantity,
        price: money(product.price),
        line_total: line_total(product.price, line.quantity).map(money),
        available: product.available,
        issues: line.issues().into_iter().map(issue).collect(),
    }
}

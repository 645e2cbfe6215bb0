//! A product on the wire.

use chrono::{DateTime, Utc};
use ordermill_common::catalog::{Price, Product};
use ordermill_common::clock;
use ordermill_common::id::ProductId;
use ordermill_common::money::{Currency, Money};
use serde::Serialize;

use crate::flaws::Flaws;

/// A product as everybody sees it.
#[derive(Debug, Serialize)]
pub struct ProductBody {
    id: ProductId,
    sku: String,
    name: String,
    description: String,
    price: Money,
    available: i64,
    version: i64,
    #[serde(serialize_with = "clock::serialize")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "clock::serialize")]
    updated_at: DateTime<Utc>,
}

impl ProductBody {
    /// The product with its price in the installation's currency.
    pub fn new(product: Product, currency: Currency) -> Self {
        Self {
            id: product.id,
            sku: product.sku,
            name: product.name,
            description: product.description,
            price: Money { amount: product.price, currency },
            available: product.available,
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// A product as admins see it.
#[derive(Debug, Serialize)]
pub struct AdminProductBody {
    #[serde(flatten)]
    product: ProductBody,
    deleted_at: Option<String>,
}

impl AdminProductBody {
    /// The product, and since when it is not for sale.
    pub fn new(product: Product, currency: Currency) -> Self {
        let deleted_at = product.deleted_at.map(clock::wire);
        Self { product: ProductBody::new(product, currency), deleted_at }
    }
}

/// The price that a request gives, in the installation's currency.
pub fn price(flaws: &mut Flaws, given: Money, currency: Currency) -> Option<Price> {
    if given.currency != currency {
        flaws.add("#/price/currency", format_args!("this installation sells in {currency}"));
        return None;
    }
    flaws.check("#/price/amount", Price::parse(given.amount))
}

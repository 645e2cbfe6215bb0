//! What the public finds: by text and price, in four orders, page by page. Deleted products are never
//! found. A page continues after the last row seen, by the sort key and the id.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlExecutor;

use super::Product;
use crate::db::Result;
use crate::id::ProductId;
use crate::page::{Limit, Page};

/// In which order products are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Sort {
    /// The last made first.
    #[default]
    Newest,
    /// The cheapest first.
    Price,
    /// The dearest first.
    PriceDown,
    /// By name.
    Name,
}

/// The text names no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the orders are newest, price, -price and name")]
pub struct UnknownSort;

impl FromStr for Sort {
    type Err = UnknownSort;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownSort> {
        match text {
            "newest" => Ok(Self::Newest),
            "price" => Ok(Self::Price),
            "-price" => Ok(Self::PriceDown),
            "name" => Ok(Self::Name),
            _ => Err(UnknownSort),
        }
    }
}

/// What is looked for. It also names the list that a cursor belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Part of the name or of the SKU, in any case.
    pub text: Option<String>,
    /// The lowest price.
    pub min_price: i64,
    /// The highest price.
    pub max_price: i64,
    /// The order.
    pub sort: Sort,
}

/// Where a row stands in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    price: i64,
    name: String,
    id: ProductId,
}

impl Place {
    /// Where this product stands.
    pub fn of(product: &Product) -> Self {
        Self { price: product.price, name: product.name.clone(), id: product.id }
    }
}

macro_rules! text {
    ($index:literal, $found:literal, $after:literal, $order:literal) => {
        concat!(
            "select p.id, p.sku, p.name, p.description, p.price, p.version, s.available, ",
            "p.created_at, p.updated_at, p.deleted_at ",
            "from products p force index (",
            $index,
            ") ",
            "straight_join stock s on s.product_id = p.id ",
            "where p.deleted_at is null ",
            "and p.price between ? and ? ",
            "and ",
            $after,
            " ",
            $found,
            "order by ",
            $order,
            " ",
            "limit ?"
        )
    };
}

macro_rules! sorted {
    ($sort:expr, $found:literal) => {
        match $sort {
            Sort::Newest => text!("primary", $found, "p.id < ?", "p.id desc"),
            Sort::Price => text!(
                "products_by_price",
                $found,
                "p.price >= ? and (p.price > ? or p.id > ?)",
                "p.price, p.id"
            ),
            Sort::PriceDown => text!(
                "products_by_price",
                $found,
                "p.price <= ? and (p.price < ? or p.id < ?)",
                "p.price desc, p.id desc"
            ),
            Sort::Name => text!(
                "products_by_name",
                $found,
                "p.name >= ? and (p.name > ? or p.id > ?)",
                "p.name, p.id"
            ),
        }
    };
}

/// The page after `after`, or the first one.
pub async fn page(
    from: impl MySqlExecutor<'_>,
    filter: &Filter,
    after: Option<&Place>,
    limit: Limit,
) -> Result<Page<Product>> {
    let text = match &filter.text {
        None => sorted!(filter.sort, ""),
        Some(text) if is_basic(text) => sorted!(
            filter.sort,
            "and (p.name like ? escape '!' \
             or convert(p.sku using utf8mb4) collate utf8mb4_general_ci like ? escape '!') "
        ),
        Some(_) => sorted!(
            filter.sort,
            "and (p.name collate utf8mb4_unicode_520_ci like ? escape '!' \
             or convert(p.sku using utf8mb4) collate utf8mb4_unicode_520_ci like ? escape '!') "
        ),
    };
    let query = sqlx::query_as(text).bind(filter.min_price).bind(filter.max_price);
    let (lowest, highest) = ([0x00_u8; 16], [0xff_u8; 16]);
    let id = |first: [u8; 16]| after.map_or(first, |place| *place.id.uuid().as_bytes()).to_vec();
    let price = |first: i64| after.map_or(first, |place| place.price);
    let name = after.map_or_else(String::new, |place| place.name.clone());
    let query = match filter.sort {
        Sort::Newest => query.bind(id(highest)),
        Sort::Price => query.bind(price(-1)).bind(price(-1)).bind(id(lowest)),
        Sort::PriceDown => query.bind(price(i64::MAX)).bind(price(i64::MAX)).bind(id(highest)),
        Sort::Name => query.bind(name.clone()).bind(name).bind(id(lowest)),
    };
    let query = match &filter.text {
        None => query,
        Some(text) => query.bind(pattern(text)).bind(pattern(text)),
    };
    let rows = query.bind(limit.read()).fetch_all(from).await?;
    Ok(Page::cut(rows, limit))
}

/// Whether the columns' own collation tells these characters apart: to `general_ci`, which is faster, all
/// emoji and whatever else is beyond the basic plane are one and the same.
fn is_basic(text: &str) -> bool {
    text.chars().all(|c| c <= '\u{ffff}')
}

/// `like` with nothing but the text: its own wildcards stand for themselves.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_stand_for_themselves() {
        assert_eq!(pattern("50%_off!"), "%50!%!_off!!%");
    }
}

//! `/v1/admin/products`

mod adjust_stock;
mod create;
mod delete;
mod read;
mod restore;
mod stock_ledger;
mod update;

pub use adjust_stock::adjust_stock;
pub use create::create;
pub use delete::delete;
pub use read::read;
pub use restore::restore;
pub use stock_ledger::stock_ledger;
pub use update::update;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use ordermill_common::catalog::Product;
use ordermill_common::money::Currency;

use crate::extract::{Json, version_tag};
use crate::wire::AdminProductBody;

/// The product with the tag that an edit sends back as `If-Match`.
fn tagged(product: Product, currency: Currency) -> Response {
    let tag = version_tag(product.version);
    ([(header::ETAG, tag)], Json(AdminProductBody::new(product, currency))).into_response()
}

//! `/v1/admin/orders`: every order, and the moves that are an admin's.

mod cancel;
mod list;
mod move_on;
mod read;

pub use cancel::cancel;
pub use list::list;
pub use move_on::move_on;
pub use read::read;

use ordermill_common::id::OrderId;
use ordermill_common::order::view::store;

use crate::extract::Json;
use crate::order::{Eyes, OrderBody};
use crate::problem::{Answer, Problem};
use crate::state::App;

async fn shown(app: &App, id: OrderId) -> Answer<Json<OrderBody>> {
    let order = app.db.read(move |conn| Box::pin(store::find(conn, id, None))).await?;
    let order = order.ok_or_else(Problem::not_found)?;
    Ok(Json(OrderBody::new(order, app.currency, Eyes::Admin)))
}

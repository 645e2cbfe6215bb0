//! `/v1/cart`: what the buyer means to buy.

mod add;
mod body;
mod clear;
mod read;
mod refusal;
mod remove;
mod set;

pub use add::add;
pub use body::CartBody;
pub use clear::clear;
pub use read::read;
pub use remove::remove;
pub use set::set;

use ordermill_common::cart::Op;

use crate::extract::{AuthUser, Json};
use crate::problem::Answer;
use crate::state::App;

/// Every change answers the cart as it is after it.
async fn change(app: &App, user: AuthUser, op: Op) -> Answer<Json<CartBody>> {
    let cart = app.writes.change_cart(user.id, op).await??;
    Ok(Json(CartBody::new(&cart, app.currency)))
}

//! What an admin lists orders by.

use serde::Serialize;

use crate::id::{OrderId, ProductId, UserId};
use crate::order::Status;

/// Which orders a list shows; those that were accepted last come first.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Filter {
    /// Only those that stand here.
    pub status: Option<Status>,
    /// Only this buyer's.
    pub user: Option<UserId>,
    /// Only those with this product that a worker has seen: until then an order's lines are one text.
    pub product: Option<ProductId>,
    /// Only those before this one, which need not exist: where the last page ended, or an age, because
    /// an order's id begins with the time at which it was accepted.
    #[serde(skip)]
    pub before: Option<OrderId>,
}

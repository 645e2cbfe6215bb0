//! `/v1/checkout`: the cart becomes an order.

mod accept;
mod refusal;
mod request;

pub use accept::checkout;

//! A payment: exactly one for an order that took stock, for life. Its id is the gateway's key for every
//! attempt, so asking again never charges twice.

pub mod status;
pub mod store;

pub use status::PaymentStatus;

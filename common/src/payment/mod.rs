//! A payment: exactly one for an order that took stock, for life. Its id is the gateway's key for every
//! attempt, so asking again never charges twice; it ends only by a verdict of the gateway or a confirmed void.

pub mod breaker;
pub mod gateway;
pub mod method;
pub mod mock;
pub mod status;
pub mod store;

pub use breaker::Breaker;
pub use gateway::{Charge, Gateway, GatewayError, Verdict};
pub use method::Method;
pub use status::PaymentStatus;

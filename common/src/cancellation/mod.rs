//! A wish to cancel an order: asked for by the buyer or an admin, decided by a worker exactly once.

mod ask;
pub mod store;
#[cfg(test)]
mod tests;

pub use ask::{Asked, Wish, ask};
pub use store::{Cancellation, Outcome};

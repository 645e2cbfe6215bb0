//! A checkout: the buyer's accepted request, kept as long as its order.

pub mod accept;
pub mod key;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;

pub use accept::{Accept, Accepts, Answer, Refusal, Unavailable, Wanted};
pub use key::HeaderKey;
pub use snapshot::SnapshotLine;
pub use store::Checkout;

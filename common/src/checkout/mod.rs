//! A checkout: the buyer's accepted request, kept as long as its order.

pub mod snapshot;
pub mod store;

pub use snapshot::SnapshotLine;
pub use store::Checkout;

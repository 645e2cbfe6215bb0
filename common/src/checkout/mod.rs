//! A checkout: the buyer's accepted request, kept as long as its order.

pub mod snapshot;

pub use snapshot::SnapshotLine;

//! Stock: how many of a product can still be taken. It changes by deltas only; a reservation takes all of
//! an order's lines or nothing.

pub mod adjust;
pub mod allocate;
pub mod store;

pub use allocate::{Allocation, Shelf, Shortfall, allocate};

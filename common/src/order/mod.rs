//! An order: what a worker made of a checkout, and its life.

pub mod status;
pub mod store;

pub use status::{Applied, IllegalMove, Move, Status};

//! An order: what a worker made of a checkout, and its life.

mod advance;
pub mod status;
pub mod store;
pub mod view;

pub use advance::{Advanced, advance};
pub use status::{Applied, IllegalMove, Move, Status};

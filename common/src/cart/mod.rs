//! A cart: what a buyer means to buy. One for each account, made with it and never deleted; its version
//! grows with every change of a line.

pub mod store;

/// Most lines that a buyer can collect.
pub const MAX_LINES: usize = 2_000;

//! Breaks everything around the shop on purpose, and proves that nothing accepted is lost.

pub mod proxy;

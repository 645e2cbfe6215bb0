//! The proxy breaks links as it is told, and counts it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commit;
mod echo;
mod faults;

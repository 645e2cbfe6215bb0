//! The commands and the private servers, for real.
#![expect(clippy::unwrap_used, reason = "a test says what it needs by failing without it")]

mod commands;
mod servers;
mod stage;
mod up;

//! The messaging door against real servers: `cargo xtask test` starts them and sets the two URLs. Every
//! test has a database and a queue prefix of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod consuming;
mod dead_letters;
mod outages;
mod publishing;
mod relaying;
mod stage;

//! What a test of any crate works on: a database of its own, facts to wait for, and a cable that breaks. It
//! knows no crate of ours, so that each of them can use it in its own tests.
//!
//! The servers come from `DATABASE_URL` and `AMQP_URL`, which `cargo xtask test` sets.

mod database;
mod facts;
mod proxy;

pub use database::{Database, fresh_name, server};
pub use facts::{until, within};
pub use proxy::{Cable, Proxy};

//! The stage on which the stories are told: a shop of real processes on real servers, with a database and
//! a queue prefix of its own, and the actors that use it through HTTP.
//!
//! ```text
//! Shop::open -> actors act -> facts are asserted -> Shop::close (verify, empty outbox and queues, clean logs)
//! ```
//!
//! The servers come from `DATABASE_URL` and `AMQP_URL`, which `cargo xtask test` sets.

pub mod actors;
pub mod database;
pub mod gateway;
pub mod own_database;
pub mod shop;
pub mod staff;

pub use actors::{Admin, Answer, Buyer};
pub use gateway::Gateway;
pub use ordermill_scratch::{Cable, Proxy, server, until, within};
pub use own_database::OwnDatabase;
pub use shop::{Shop, ShopPlan};

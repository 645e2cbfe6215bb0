//! The shop: a room per concept (user, catalogue, stock, cart, checkout, order, payment) and its doors to
//! the database and the broker. `api` and `worker` both build on it and never see each other.

pub mod broker;
pub mod cancellation;
pub mod cart;
pub mod catalog;
pub mod checkout;
pub mod clock;
pub mod config;
pub mod crash;
pub mod db;
pub mod dead_letter;
pub mod id;
pub mod log;
pub mod money;
pub mod ops;
pub mod order;
pub mod outbox;
pub mod owner;
pub mod page;
pub mod panic;
pub mod payment;
pub mod retry;
pub mod stock;
pub mod trace;
pub mod user;

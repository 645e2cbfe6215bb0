//! Drives the product from outside, through its public HTTP API alone: [`replay`] of real invoices, and
//! [`load`], the yardstick of speed.

pub mod client;
pub mod http;
pub mod installation;
pub mod live;
pub mod load;
pub mod replay;
pub mod shop;
pub mod table;
pub mod target;
pub mod times;
pub mod verify;

//! Carts, checkouts and orders through the HTTP API, with no broker and no worker in sight.

mod admin;
mod cart;
mod checkout;
mod order;
mod stage;

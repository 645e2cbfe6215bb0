//! People speak to the shop: one operation, one file. The folders are the API: `auth/register.rs` is
//! `POST /v1/auth/register`, `admin/product/update.rs` is `PUT /v1/admin/products/{id}`.
//!
//! ```text
//! edge (id, span, limit) -> router -> extract (who, what) -> handler -> a room of `common`
//!                                                         -> answer, or Problem
//! ```
//!
//! Handlers hold no SQL and publish nothing; a request causes work only by an outbox row written in
//! its own transaction.

pub mod admin;
pub mod answer;
pub mod auth;
pub mod cart;
pub mod checkout;
pub mod config;
pub mod create_admin;
pub mod edge;
pub mod extract;
pub mod flaws;
pub mod me;
pub mod order;
pub mod own;
pub mod problem;
pub mod product;
pub mod readiness;
pub mod router;
pub mod seed;
pub mod serve;
pub mod state;
pub mod token;
pub mod wire;
pub mod writes;

//! `/v1/admin`: what runs the shop. Every handler takes an [`Admin`](crate::extract::Admin).

pub mod order;
pub mod product;

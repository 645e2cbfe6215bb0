//! `/v1/admin`: what runs the shop. Every handler takes an [`Admin`].

pub mod dead_letter;
pub mod order;
pub mod product;

use crate::extract::Admin;

/// How an admin is named in histories.
fn actor(admin: Admin) -> String {
    format!("admin {}", admin.id)
}

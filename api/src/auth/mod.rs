//! `/v1/auth`: how an account begins, and how its owner enters.

mod login;
mod register;

pub use login::login;
pub use register::register;

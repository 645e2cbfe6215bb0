//! An account: an e-mail that identifies it, a password that opens it, a role that says what it may do.

mod role;

pub use role::{Role, UnknownRole};

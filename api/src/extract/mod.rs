//! Extractors do the entering: what a handler's signature names has been read, checked and allowed
//! before its first line, and every refusal is a [`Problem`](crate::problem::Problem).

mod account;
mod json;
mod path;
mod precondition;
mod query;

pub use account::{Admin, AuthUser};
pub use json::{Json, RawBody, read_json, written};
pub use path::Path;
pub use precondition::{IfMatch, IfNoneMatch, version_tag};
pub use query::Query;

//! What several operations take or answer with. Wire types are not domain types: a column that is added
//! inside does not leak, and a name that clients know does not change with ours.

mod product;
mod user;

pub use product::{AdminProductBody, ProductBody, price};
pub use user::UserBody;

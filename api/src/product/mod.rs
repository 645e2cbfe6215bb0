//! `/v1/products`: the catalogue, for everybody.

mod list;
mod read;

pub use list::list;
pub use read::read;

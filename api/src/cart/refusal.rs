//! How the cart's refusals are told.

use ordermill_common::cart::{MAX_LINES, Refusal};
use ordermill_common::money::MAX_QUANTITY;

use crate::flaws::Flaws;
use crate::problem::{Code, Problem};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OutOfStock { available } => {
                Self::new(Code::OutOfStock, format!("{available} are available"))
                    .with("available", available)
            }
            Refusal::ProductUnavailable => {
                Self::new(Code::ProductUnavailable, "it does not exist or is no longer sold")
            }
            Refusal::TooMany => too_many(),
            Refusal::CartFull => {
                Self::new(Code::CartFull, format!("a cart holds at most {MAX_LINES} lines"))
            }
        }
    }
}

/// A quantity between `least` and the most that a line holds.
pub(super) fn bounded(quantity: u32, least: u32) -> Result<u32, Problem> {
    if (least..=MAX_QUANTITY).contains(&quantity) {
        return Ok(quantity);
    }
    let mut flaws = Flaws::default();
    flaws.add("#/quantity", format_args!("between {least} and {MAX_QUANTITY}"));
    Err(flaws.into())
}

fn too_many() -> Problem {
    let mut flaws = Flaws::default();
    flaws.add("#/quantity", format_args!("a line holds at most {MAX_QUANTITY}"));
    flaws.into()
}

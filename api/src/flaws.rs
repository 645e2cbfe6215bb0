//! Collects what is wrong with a request's values, so that a client is told all of it at once.

use crate::problem::{Flaw, Problem};

/// What has been found so far.
#[derive(Debug, Default)]
pub struct Flaws(Vec<Flaw>);

impl Flaws {
    /// The value, or a note of why the field's text is none.
    pub fn check<T, E: std::fmt::Display>(
        &mut self,
        pointer: &str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed.map_err(|why| self.add(pointer, why)).ok()
    }

    /// Notes a flaw of the field.
    pub fn add(&mut self, pointer: &str, why: impl std::fmt::Display) {
        self.0.push(Flaw { pointer: pointer.to_owned(), code: "invalid", detail: why.to_string() });
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Flaws> for Problem {
    fn from(flaws: Flaws) -> Self {
        Self::flawed(flaws.0)
    }
}

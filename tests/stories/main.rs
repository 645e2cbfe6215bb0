//! The stories, in one binary.

mod containers;
mod faults;
mod pipeline;
mod readme;

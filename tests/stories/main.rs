//! The stories, in one binary.

mod admin;
mod cancel;
mod containers;
#[cfg(feature = "crash-points")]
mod crash;
mod dead_letters;
mod faults;
mod gateway;
mod logs;
mod payments;
mod pipeline;
mod readme;
mod waking;

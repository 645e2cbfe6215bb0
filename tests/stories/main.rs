//! The stories, in one binary.

mod admin;
mod cancel;
mod containers;
mod dead_letters;
mod faults;
mod gateway;
mod logs;
mod payments;
mod pipeline;
mod readme;
mod waking;

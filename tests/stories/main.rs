//! The stories, in one binary.

mod admin;
mod breaker;
mod cancel;
mod containers;
#[cfg(feature = "crash-points")]
mod crash;
mod database;
mod dead_letters;
mod faults;
mod flush;
mod gateway;
mod health;
mod logs;
mod payments;
mod pipeline;
mod readme;
mod rooms;
mod verdicts;
mod waking;

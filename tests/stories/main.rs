//! The stories, in one binary.

mod admin;
mod breaker;
mod cancel;
mod containers;
mod database;
mod dead_letters;
mod faults;
mod gateway;
mod health;
mod logs;
mod payments;
mod pipeline;
mod readme;
mod rooms;
mod waking;

//! The developer's commands, as a library: what `tests` and `bench` need of them too.
//!
//! [`servers`] starts a database and a broker of one's own in a folder; [`binaries`] builds and
//! finds the product's programs, [`installation`] runs them; [`child`] sees to it that nothing
//! outlives its starter.
//! This crate depends on none of ours: a newcomer compiles it first, so it stays small.

pub mod binaries;
pub mod child;
pub mod folder;
pub mod install;
pub mod installation;
pub mod interrupt;
pub mod mark;
pub mod ports;
pub mod program;
pub mod progress;
pub mod secret;
pub mod servers;
pub mod wait;

mod find;

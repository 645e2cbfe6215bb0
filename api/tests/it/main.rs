//! The API as its clients meet it: a real router on a real socket, a real database, one binary.
//! `process` starts the program itself.

mod accounts;
mod away;
mod catalogue;
mod doors;
mod edge;
mod hostile;
mod process;
mod search;
mod slow;
mod stage;
mod stock;
mod tokens;

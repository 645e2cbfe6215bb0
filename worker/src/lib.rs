//! The shop works: checkouts become orders, payments are taken, what was left undone is taken up again.
//!
//! ```text
//! delivery -> pipeline -> reserve (batch) -> charge -> settle (batch) -> ack
//!                      -> cancel  (batch) -> void   -> settle (batch) -> ack
//! sweep -> outbox -> relay -> delivery          dead -> a new wake-up, or a dead letter
//! ```

pub mod apply;
pub mod cancel;
pub mod charge;
pub mod config;
pub mod dead;
pub mod decide;
pub mod delivery;
pub mod gateway;
pub mod heirs;
pub mod letters;
pub mod pipeline;
pub mod republish;
pub mod reserve;
pub mod run;
pub mod settle;
pub mod sweep;
pub mod task;
pub mod verify;

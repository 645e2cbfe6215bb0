//! Breaks everything around the shop on purpose, and proves that nothing accepted is lost.
//!
//! ```text
//! a crowd of buyers ---> APIs, workers, gateway ---> database, broker       (each way through a proxy)
//!      |                        ^ killed, frozen, aborted at crash points, cut off, slowed down
//!      v                        |
//!  testimony              a scenario's trials, from a seed
//!      |                        |
//!      +--> check: what the clients were told = what the database holds = what the gateway did
//! ```

pub mod check;
pub mod crowd;
pub mod dice;
pub mod memory;
pub mod mutants;
pub mod proxy;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scene;
pub mod stage;
pub mod testimony;
pub mod vitals;

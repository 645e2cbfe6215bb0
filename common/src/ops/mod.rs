//! What every long-running process owes its operator: settings whose mistakes are listed together, an
//! admin listener that answers whether it lives and whether it is ready, an orderly end.
//!
//! ```text
//! settings::parse -> log the effective ones -> signals::draining -> listen -> serve -> drain -> leave
//!                                                 probe  <-  `healthcheck` subcommand
//! ```

mod health;
mod listen;
#[cfg(feature = "crash-points")]
mod memory;
mod probe;
mod serve;
pub mod settings;
mod signals;

pub use health::{Part, Readiness, Report, Standing, livez, serve_health};
pub use listen::{ListenError, listen};
pub use probe::{ProbeError, probe};
pub use serve::{Patience, serve};
pub use signals::draining;

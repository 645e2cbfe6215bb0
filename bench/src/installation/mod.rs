//! A private installation: servers, a database, the API and workers, for one run of load or replay.
//!
//! Three layers, so that configurations can take turns on the same servers: [`Grounds`] are the two
//! servers, a [`Site`] is a database with its secrets and settings, [`Processes`] are the API and the
//! workers that run on a site.

mod grounds;
mod processes;
mod site;
mod store;

pub use grounds::{Commands, Grounds};
pub use processes::{Processes, ask, is_ready};
pub use site::{Admin, Settings, Site};

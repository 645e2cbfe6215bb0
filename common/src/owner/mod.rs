//! Who is at work: every process that takes leases is known to the others while it lives.
//!
//! A process registers a row in `owners` and holds a named lock of the database server on a connection of
//! its own. The server frees the lock when that connection ends, which a killed process's does at once, and
//! a frozen one's within seconds. So whoever finds a row whose lock is free knows, without waiting for a
//! lease to run out, that its owner is gone.
//!
//! ```text
//! enter: lock -> row              a row without its lock was registered by a process that is gone
//! keep:  look at the lock every 3 s; lost (a restarted server) -> enter again
//! gone:  rows whose lock is free  -> their leases are ended elsewhere, then the row is forgotten
//! ```
//!
//! A process may be thought gone while it lives, after its connection was lost. Nothing breaks then: a lease
//! keeps two workers from asking the gateway at once, but the gateway's key makes asking twice harmless, and
//! what an outcome means is decided under the order's lock.

mod presence;
pub mod store;

pub use presence::Presence;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It answers requests.
    Api,
    /// It works on orders.
    Worker,
}

impl Role {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

//! `ordermill-worker verify`: is every promise kept in what is stored now?
//!
//! Everything is read in one `repeatable read` transaction `with consistent snapshot`, so it can be asked
//! while orders are placed: what it sees is one moment between commits. Each invariant has a name and one
//! statement that selects its offenders; nothing is asked order by order.
//!
//! ```text
//! read the gateway's ledger -> open the snapshot -> read the ledger again
//!   -> stock, checkouts and orders, payments, history, cancellations, references, unfinished  (SQL)
//!   -> snapshots against lines, ledger against payments                                       (compared here)
//!   -> a table; exit code 0 when nothing was found, 1 when something was, 2 when it could not read
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use ordermill_common::db::Db;
use ordermill_common::log::chain;

mod invariant;
mod ledger;
mod lines;
mod report;
mod store;

pub use invariant::Invariant;
pub use report::{Finding, Report};

/// The exit code when it could not read, so that nobody takes that for a finding.
pub const UNREADABLE: u8 = 2;

/// How `verify` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Seconds after which something unfinished counts as stuck.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub limit: u32,
    /// The payment gateway's ledger, to be compared with the payments; without one that is left out.
    #[arg(long, value_name = "PATH", env = "ORDERMILL_PAYMENT_LEDGER")]
    pub ledger: Option<PathBuf>,
}

/// It cannot be said whether the promises are kept.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database could not be read.
    #[error("cannot read the database to verify it")]
    Db(#[from] ordermill_common::db::Error),
    /// A statement of an invariant failed.
    #[error("cannot ask for the invariant {invariant}")]
    Invariant {
        /// Its name.
        invariant: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// The gateway's ledger could not be read.
    #[error("cannot read the payment ledger {path}")]
    Ledger {
        /// Where it was looked for.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Verifies, prints the table or the trouble, and answers the process's exit code.
pub async fn command(db: &Db, args: &Args) -> u8 {
    let limit = Duration::from_secs(u64::from(args.limit));
    match verify(db, limit, args.ledger.as_deref()).await {
        Ok(report) => {
            print!("{report}");
            u8::from(!report.is_clean())
        }
        Err(error) => {
            eprintln!("verify: {}", chain(&error));
            UNREADABLE
        }
    }
}

/// Checks every invariant on one snapshot of the database. What is unfinished for longer than `limit`
/// counts as stuck; with a ledger its captures are compared with the payments as well.
pub async fn verify(
    db: &Db,
    limit: Duration,
    ledger: Option<&Path>,
) -> Result<Report, VerifyError> {
    let before = ledger::read(ledger).await?;
    let mut snapshot = store::Snapshot::open(db).await?;
    let after = ledger::read(ledger).await?;
    let counts = snapshot.counts().await?;
    let mut report = Report::new(counts);
    for invariant in store::all() {
        report.add(snapshot.offenders(invariant, limit).await?);
    }
    for finding in lines::compare(&mut snapshot).await? {
        report.add(finding);
    }
    if let Some(path) = ledger {
        // Before the first payment no worker may have made the file.
        let after = match after {
            None if counts.payments > 0 => return Err(ledger::missing(path)),
            after => after.unwrap_or_default(),
        };
        for finding in ledger::compare(&mut snapshot, &before.unwrap_or_default(), &after).await? {
            report.add(finding);
        }
    }
    snapshot.close().await;
    Ok(report)
}

//! The worker's command line; each setting is an environment variable as well.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ordermill_common::config::{BatchArgs, BrokerArgs, DatabaseArgs, LogArgs, ShopArgs};

/// Makes orders of checkouts, takes the payments, and looks after what was left undone.
#[derive(Debug, Parser)]
#[command(name = "ordermill-worker", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the worker's binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Works until SIGTERM (the default).
    Run(Box<RunArgs>),
    /// Wakes everything unfinished now, as after a lost queue.
    Republish(StoreArgs),
    /// Looks at the dead letters and decides what becomes of them.
    DeadLetters(DeadLetterArgs),
    /// Checks that every promise is kept in what is stored; exit code 1 when one is not, 2 when it cannot
    /// be read.
    Verify(VerifyArgs),
    /// Asks a running worker whether it is ready; the exit code tells.
    Healthcheck(HealthArgs),
}

/// A worker that works.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// The installation.
    #[command(flatten)]
    pub shop: ShopArgs,
    /// The batches.
    #[command(flatten)]
    pub batch: BatchArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The gateway.
    #[command(flatten)]
    pub payment: PaymentArgs,
    /// The admin listener.
    #[command(flatten)]
    pub health: HealthArgs,
}

/// The payment gateway.
#[derive(Debug, Clone, Args)]
pub struct PaymentArgs {
    /// Calls to the gateway at once.
    #[arg(long, env = "ORDERMILL_CHARGES", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub charges: u16,
    /// Milliseconds after which a call counts as unanswered.
    #[arg(long, env = "ORDERMILL_CHARGE_TIMEOUT_MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u32).range(10..=15_000))]
    pub charge_timeout_ms: u32,
    /// The mock gateway's book, shared by all workers.
    #[arg(long, env = "ORDERMILL_PAYMENT_LEDGER", default_value = "payments.jsonl")]
    pub payment_ledger: PathBuf,
}

impl PaymentArgs {
    /// After which a call counts as unanswered.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.charge_timeout_ms))
    }
}

/// A command that only needs the database.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What is verified.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The database and the log.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How strictly, and against what.
    #[command(flatten)]
    pub verify: crate::verify::Args,
}

/// Where the worker answers whether it lives and is ready.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Where `/livez` and `/readyz` are served; port 0 takes a free one.
    #[arg(long, env = "ORDERMILL_ADMIN_ADDR", default_value = "127.0.0.1:9091")]
    pub admin_addr: SocketAddr,
    /// A file that gets the bound address once it listens.
    #[arg(long, env = "ORDERMILL_ADMIN_PORT_FILE")]
    pub admin_port_file: Option<PathBuf>,
}

/// What becomes of dead letters.
#[derive(Debug, Args)]
pub struct DeadLetterArgs {
    /// The database and the log.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub action: DeadLetterAction,
}

/// What can be done with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetterAction {
    /// Lists them, oldest first.
    List {
        /// Only those that are `open`, `redriven` or `discarded`.
        #[arg(long, default_value = "open")]
        state: String,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Shows one with its body.
    Show {
        /// Which one: dlt_...
        id: String,
    },
    /// Sends its message again, with the same id.
    Redrive {
        /// Which one: dlt_...
        id: String,
    },
    /// Closes it without sending.
    Discard {
        /// Which one: dlt_...
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

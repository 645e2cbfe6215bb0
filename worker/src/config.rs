//! The worker's command line; each setting is an environment variable as well.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ordermill_common::config::{BatchArgs, BrokerArgs, DatabaseArgs, LogArgs, ShopArgs};
use ordermill_common::payment::mock::DEFAULT_LEDGER;

use crate::gateway::http::gateway_url;

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
    /// Serves the mock payment gateway through HTTP until SIGTERM; a stand-in for a real one, outside of the
    /// database.
    ///
    /// `POST /v1/charges` and `/v1/voids` are what workers call (`ORDERMILL_PAYMENT_GATEWAY_URL`), and `/livez`
    /// tells that it lives. `POST /mock/behaviour` with `{"delay_ms": 1500, "unavailable": false}` makes it
    /// misbehave from now on: answers come so much later than their decisions, or every call is answered
    /// 503; what is left out is as it should be. It asks nobody for credentials: keep its address to yourself.
    MockGateway(MockGatewayArgs),
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
    /// The gateway, as http://host:port; without one, a mock inside of each worker.
    #[arg(long, env = "ORDERMILL_PAYMENT_GATEWAY_URL", hide_env_values = true,
          value_parser = gateway_url)]
    pub payment_gateway_url: Option<reqwest::Url>,
    /// The book of the mock inside of the workers, shared by all of them.
    #[arg(long, env = "ORDERMILL_PAYMENT_LEDGER", default_value = DEFAULT_LEDGER)]
    pub payment_ledger: PathBuf,
}

/// The mock gateway as a process of its own.
#[derive(Debug, Args)]
pub struct MockGatewayArgs {
    /// Where it is served; port 0 takes a free one.
    #[arg(long, env = "ORDERMILL_GATEWAY_ADDR", default_value = "127.0.0.1:9200")]
    pub addr: SocketAddr,
    /// A file that gets the bound address once it listens.
    #[arg(long, env = "ORDERMILL_GATEWAY_PORT_FILE")]
    pub port_file: Option<PathBuf>,
    /// Its book: every call has a line there before it is answered.
    #[arg(long, env = "ORDERMILL_PAYMENT_LEDGER", default_value = DEFAULT_LEDGER)]
    pub payment_ledger: PathBuf,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
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

//! The API's settings. `ordermill-api serve --help` is their documentation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ordermill_common::config::{BatchArgs, BrokerArgs, DatabaseArgs, LogArgs, ShopArgs};

use crate::token::{Keys, Terms};

/// Ordermill's HTTP API.
#[derive(Debug, Parser)]
#[command(name = "ordermill-api", version)]
pub struct Cli {
    /// What to do; serve unless said otherwise.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API (what happens without a subcommand).
    Serve(Box<ServeArgs>),
    /// Bring the database's schema up to date.
    Migrate(StoreArgs),
    /// Make an account that may run the shop; without a password, one is made and printed once.
    CreateAdmin(AdminArgs),
    /// Fill the catalogue with made-up products; those that exist are left as they are.
    Seed(StoreArgs),
    /// Ask a running API whether it is ready.
    Healthcheck(HealthArgs),
}

/// Everything that serving needs.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// What every process agrees on.
    #[command(flatten)]
    pub shop: ShopArgs,
    /// How batches are formed.
    #[command(flatten)]
    pub batch: BatchArgs,
    /// How access tokens are made.
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Where health is answered.
    #[command(flatten)]
    pub health: HealthArgs,
    /// How log lines look.
    #[command(flatten)]
    pub log: LogArgs,
    /// How passwords are hashed.
    #[command(flatten)]
    pub bcrypt: BcryptArgs,
    /// Most database connections for reads and small writes.
    #[arg(long, env = "ORDERMILL_POOL", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pool: u32,
}

/// Where the API listens.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, env = "ORDERMILL_ADDR", default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,
    /// A file that gets the bound host:port once listening.
    #[arg(long, env = "ORDERMILL_PORT_FILE")]
    pub port_file: Option<PathBuf>,
}

/// Where health is answered; apart from the API, so that nobody outside sees it.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Where /livez and /readyz are answered; port 0 takes a free one.
    #[arg(long, env = "ORDERMILL_ADMIN_ADDR", default_value = "127.0.0.1:9090")]
    pub admin_addr: SocketAddr,
    /// A file that gets the bound host:port of the health listener.
    #[arg(long, env = "ORDERMILL_ADMIN_PORT_FILE")]
    pub admin_port_file: Option<PathBuf>,
}

/// How access tokens are made.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The keys, as name:base64[,name:base64...]; the first signs, all are read; at least 32 bytes each.
    #[arg(
        long,
        env = "ORDERMILL_JWT_KEYS",
        hide_env_values = true,
        required_unless_present = "jwt_keys_file"
    )]
    pub jwt_keys: Option<Keys>,
    /// A file with the keys, instead.
    #[arg(long, env = "ORDERMILL_JWT_KEYS_FILE", value_parser = keys_in_file)]
    pub jwt_keys_file: Option<Keys>,
    /// The issuer of the tokens.
    #[arg(long, env = "ORDERMILL_JWT_ISSUER", default_value = "ordermill")]
    pub jwt_issuer: String,
    /// Whom the tokens are for.
    #[arg(long, env = "ORDERMILL_JWT_AUDIENCE", default_value = "ordermill")]
    pub jwt_audience: String,
    /// For how long a token is valid.
    #[arg(long, env = "ORDERMILL_TOKEN_SECONDS", default_value_t = 900,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub token_seconds: u64,
}

impl TokenArgs {
    /// The keys, from wherever they were given.
    pub fn keys(&self) -> &Keys {
        self.jwt_keys.as_ref().or(self.jwt_keys_file.as_ref()).expect("clap requires one of them")
    }

    /// What is written into every token.
    pub fn terms(&self) -> Terms {
        Terms {
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            lifetime: Duration::from_secs(self.token_seconds),
        }
    }
}

/// How passwords are hashed.
#[derive(Debug, Clone, Copy, Args)]
pub struct BcryptArgs {
    /// bcrypt's cost; each step doubles the work of a login.
    #[arg(long, env = "ORDERMILL_BCRYPT_COST", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(4..=16))]
    pub bcrypt_cost: u32,
}

/// The admin to make.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// The database and the log.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How the password is hashed.
    #[command(flatten)]
    pub bcrypt: BcryptArgs,
    /// The admin's e-mail.
    #[arg(long)]
    pub email: String,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    pub password_stdin: bool,
}

/// A command that only needs the database.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How log lines look.
    #[command(flatten)]
    pub log: LogArgs,
}

fn keys_in_file(path: &str) -> Result<Keys, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: crate::token::BadKeys| error.to_string())
}

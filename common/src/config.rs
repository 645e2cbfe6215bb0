//! The settings that both binaries share. Each is a flag and an environment variable; `--help` is their
//! documentation.

use std::str::FromStr as _;
use std::time::Duration;

use clap::{ArgAction, Args};
use sqlx::mysql::MySqlConnectOptions;

use crate::db::group::Limits;
use crate::log::{self, Format};
use crate::money::Currency;

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// The database, as mysql://user:password@host:port/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = database_url)]
    pub database_url: String,
    /// Start although the server's settings would lose accepted orders.
    #[arg(long, env = "ORDERMILL_ALLOW_UNSAFE_DATABASE", action = ArgAction::Set,
          default_value_t = false, num_args = 0..=1, default_missing_value = "true")]
    pub allow_unsafe_database: bool,
}

/// Where the broker is.
#[derive(Debug, Clone, Args)]
pub struct BrokerArgs {
    /// The broker, as amqp://user:password@host:port/vhost (%2f for the vhost /).
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_parser = amqp_url)]
    pub amqp_url: String,
    /// Goes before every queue's name, so that several installations share a broker.
    #[arg(long, env = "ORDERMILL_QUEUE_PREFIX", default_value = "")]
    pub queue_prefix: String,
}

/// How log lines look and which are written.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Which lines are written, as in `info` or `info,ordermill_common=debug`.
    #[arg(long = "log", env = "ORDERMILL_LOG", default_value = "info")]
    pub filter: String,
    /// How they look.
    #[arg(long = "log-format", env = "ORDERMILL_LOG_FORMAT", value_enum, default_value = "json")]
    pub format: Format,
}

impl LogArgs {
    /// Starts logging for this process.
    pub fn start(&self) {
        log::start(self.format, &self.filter);
    }
}

/// How batches are formed.
#[derive(Debug, Clone, Copy, Args)]
pub struct BatchArgs {
    /// Transactions side by side for each kind of work.
    #[arg(long, env = "ORDERMILL_LANES", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,
    /// Most members of one transaction; 1 commits each alone.
    #[arg(long, env = "ORDERMILL_BATCH", default_value_t = 200,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: u16,
}

impl BatchArgs {
    /// The limits of a unit whose batches are tried again for `patience`.
    pub fn limits(&self, patience: Duration) -> Limits {
        Limits::new(usize::from(self.lanes), usize::from(self.batch), patience)
    }
}

/// What every process of an installation agrees on, and how it ends.
#[derive(Debug, Clone, Args)]
pub struct ShopArgs {
    /// The installation's one currency.
    #[arg(long, env = "ORDERMILL_CURRENCY", default_value = "EUR")]
    pub currency: Currency,
    /// Seconds to finish what is held after SIGTERM; then the process ends all the same.
    #[arg(long, env = "ORDERMILL_DRAIN_SECONDS", default_value_t = 25)]
    pub drain_seconds: u64,
}

impl ShopArgs {
    /// How long a drain may take.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

// Neither repeats the URL: it holds a password.

fn database_url(text: &str) -> Result<String, String> {
    let options = MySqlConnectOptions::from_str(text).map_err(|error| error.to_string())?;
    if !text.starts_with("mysql://") || options.get_database().is_none_or(str::is_empty) {
        return Err("not of the form mysql://user:password@host:port/name".to_owned());
    }
    Ok(text.to_owned())
}

fn amqp_url(text: &str) -> Result<String, String> {
    let fits = text.starts_with("amqp://") || text.starts_with("amqps://");
    let form = "not of the form amqp://user:password@host:port/vhost";
    if fits { Ok(text.to_owned()) } else { Err(form.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_without_repeating_it() {
        assert!(database_url("mysql://me:secret@db:3306/shop?ssl-mode=disabled").is_ok());
        for bad in [
            "",
            "db",
            "mysql://me:secret@db",
            "mysql://me:secret@db/",
            "postgres://me:secret@db/x",
            "mysql://me:secret@db:x/y",
        ] {
            let why = database_url(bad).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(amqp_url("amqp://me:secret@mq/%2f").is_ok() && amqp_url("amqps://mq").is_ok());
        assert!(
            amqp_url("").is_err()
                && !amqp_url("http://me:secret@mq").unwrap_err().contains("secret")
        );
    }
}

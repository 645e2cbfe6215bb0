//! Servers that the caller already has: `DATABASE_URL` and `AMQP_URL`, both or neither.

use anyhow::{Result, bail};

/// The environment's servers.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Given {
    #[arg(long, env = "DATABASE_URL", hide = true, hide_env_values = true)]
    database_url: Option<String>,
    #[arg(long, env = "AMQP_URL", hide = true, hide_env_values = true)]
    amqp_url: Option<String>,
}

/// Where the database and the broker are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) database: String,
    pub(crate) amqp: String,
}

impl Given {
    /// Both URLs, or `None` when private servers are wanted.
    pub(crate) fn urls(&self) -> Result<Option<Urls>> {
        let set = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        match (set(&self.database_url), set(&self.amqp_url)) {
            (Some(database), Some(amqp)) => Ok(Some(Urls { database, amqp })),
            (None, None) => Ok(None),
            (Some(_), None) => {
                bail!("DATABASE_URL is set but AMQP_URL is not: set both or neither")
            }
            (None, Some(_)) => {
                bail!("AMQP_URL is set but DATABASE_URL is not: set both or neither")
            }
        }
    }
}

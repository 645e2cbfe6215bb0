//! Where load and replay go: a running installation that is named, or a private one.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::task::block_in_place;
use xtask::binaries;
use xtask::progress::Progress;

use crate::client::Client;
use crate::http::{Address, Request};
use crate::installation::{Admin, Commands, Grounds};

/// A running installation, named on the command line.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// The address of a running installation, as http://host:port; without it a private one is started.
    #[arg(long, value_name = "URL")]
    pub api: Option<Address>,
    /// With --api: the e-mail of an administrator there.
    #[arg(long, env = "ORDERMILL_ADMIN_EMAIL", value_name = "EMAIL")]
    pub admin_email: Option<String>,
    /// With --api: the administrator's password.
    #[arg(long, env = "ORDERMILL_ADMIN_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub admin_password: Option<String>,
    /// With --api: the currency of the installation.
    #[arg(long, env = "ORDERMILL_CURRENCY", default_value = "EUR", value_name = "CODE")]
    pub currency: String,
}

/// An installation that answers.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where its API is.
    pub address: Address,
    /// Its administrator.
    pub admin: Admin,
    /// Its currency.
    pub currency: String,
}

impl TargetArgs {
    /// The named installation, if it answers.
    pub async fn running(&self) -> Result<Target> {
        let address = self.api.clone().context("no address")?;
        let client = Client::new(address.clone(), Duration::from_secs(1));
        let asked = client.call(&Request::new("GET", "/v1/products?limit=1")).await;
        asked.with_context(|| format!("no installation answers at http://{}", address.host()))?;
        let credentials = "with --api, name an administrator: --admin-email and --admin-password";
        let admin = Admin {
            email: self.admin_email.clone().context(credentials)?,
            password: self.admin_password.clone().context(credentials)?,
        };
        Ok(Target { address, admin, currency: self.currency.clone() })
    }
}

/// Builds the product and starts the servers of a private installation.
pub fn private_grounds(commands: Commands) -> Result<Grounds> {
    block_in_place(|| {
        binaries::build(Progress::detect())?;
        Grounds::start(commands)
    })
}

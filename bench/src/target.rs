//! Where load and replay go: a running installation that is named, or a private one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::task::block_in_place;
use xtask::progress::Progress;
use xtask::{binaries, interrupt};

use crate::client::Client;
use crate::http::{Address, Request};
use crate::installation::{Admin, Commands, Grounds, Settings, Site};
use crate::live;
use crate::verify::{self, Verdict};

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
    /// With --api: the payment gateway's ledger there, for verify.
    #[arg(long, env = "ORDERMILL_PAYMENT_LEDGER", value_name = "PATH")]
    pub ledger: Option<PathBuf>,
}

/// A private installation.
#[derive(Debug, Clone, Args)]
pub struct PrivateArgs {
    /// Use the API's and the worker's programs as they are, next to this one.
    #[arg(long)]
    pub no_build: bool,
    /// Its servers.
    #[command(flatten)]
    pub commands: Commands,
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
    /// What `verify` finds there, when its database is given.
    pub fn verify(&self, database_url: Option<&str>) -> Result<Option<Verdict>> {
        let verify = |url| block_in_place(|| verify::verify(url, self.ledger.as_deref()));
        database_url.map(verify).transpose()
    }

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

/// Builds the product, starts the servers of a private installation, and lets `work` use them. What they
/// leave is deleted, unless `work` fails or its result is not clean.
pub async fn on_private_grounds<T>(
    private: PrivateArgs,
    is_clean: impl Fn(&T) -> bool,
    work: impl AsyncFnOnce(Grounds) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::Builder::new().prefix("ordermill-bench-").tempdir()?;
    let grounds = block_in_place(|| {
        if !private.no_build {
            binaries::build(Progress::detect())?;
        }
        Grounds::start(folder.path(), private.commands)
    })?;
    let result = work(grounds).await;
    let has_logs = fs::read_dir(folder.path())?.next().is_some();
    if has_logs && !result.as_ref().is_ok_and(is_clean) && !interrupt::requested() {
        live::note(&format!("the logs are in {}", folder.keep().display()));
    }
    result
}

/// Prepares a site, lets `work` use it, and clears it away whatever came of that.
pub async fn on_site<T>(
    grounds: Grounds,
    settings: Settings,
    work: impl AsyncFnOnce(Grounds, Arc<Site>) -> Result<T>,
) -> Result<T> {
    let site = Arc::new(Site::prepare(&grounds, settings).await?);
    let result = work(grounds, Arc::clone(&site)).await;
    let cleared = site.clear().await;
    let result = result?;
    cleared?;
    Ok(result)
}

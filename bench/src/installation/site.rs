//! A site: one database with its settings and secrets, on which the API and workers can run.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tokio::task::block_in_place;
use xtask::{binaries, ports, secret};

use super::{Grounds, store};
use crate::http::Address;

/// How the product is configured on a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The installation's currency.
    pub currency: String,
    /// How many workers run.
    pub workers: usize,
    /// Further variables.
    pub more: Vec<(&'static str, String)>,
}

/// The administrator of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The e-mail.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A prepared database and all that the product is told about it.
#[derive(Debug)]
pub struct Site {
    name: String,
    settings: Settings,
    admin: Admin,
    variables: Vec<(&'static str, String)>,
    api_port: u16,
    admin_ports: Vec<u16>,
    folder: PathBuf,
}

impl Site {
    /// Makes the database, brings its schema up to date and creates an administrator.
    pub async fn prepare(grounds: &Grounds, settings: Settings) -> Result<Self> {
        let tag = secret::hex(4)?;
        let name = format!("ordermill_bench_{tag}");
        let folder = grounds.folder().join(&tag);
        std::fs::create_dir(&folder)?;
        let database_url = store::create(&grounds.database_url(), &name).await?;
        let variables = vec![
            ("DATABASE_URL", database_url),
            ("AMQP_URL", grounds.amqp_url()),
            ("ORDERMILL_QUEUE_PREFIX", format!("bench.{tag}.")),
            ("ORDERMILL_CURRENCY", settings.currency.clone()),
            // Hexadecimal digits are base64 as well.
            ("ORDERMILL_JWT_KEYS", format!("bench:{}", secret::hex(32)?)),
            ("ORDERMILL_TOKEN_SECONDS", "86400".to_owned()),
            ("ORDERMILL_BCRYPT_COST", "4".to_owned()),
            ("ORDERMILL_PAYMENT_LEDGER", folder.join("ledger.jsonl").display().to_string()),
        ];
        let mut taken = Vec::new();
        for _ in 0..settings.workers + 2 {
            taken.push(ports::free(&taken)?);
        }
        let api_port = taken.pop().context("no port")?;
        let email = format!("admin-{tag}@bench.example");
        let admin = Admin { email, password: secret::hex(16)? };
        let site = Self { name, settings, admin, variables, api_port, admin_ports: taken, folder };
        block_in_place(|| {
            site.run("ordermill-api", &["migrate"], "")?;
            let arguments = ["create-admin", "--email", &site.admin.email, "--password-stdin"];
            site.run("ordermill-api", &arguments, &format!("{}\n", site.admin.password))
        })?;
        Ok(site)
    }

    /// Its administrator.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Where its API answers when it runs.
    pub fn address(&self) -> Address {
        let url = format!("http://127.0.0.1:{}", self.api_port);
        url.parse().expect("a host and a port are an address")
    }

    /// The ports of the health listeners, the API's first.
    pub(super) fn admin_ports(&self) -> &[u16] {
        &self.admin_ports
    }

    /// Where logs go.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// How many workers are to run.
    pub(super) fn workers(&self) -> usize {
        self.settings.workers
    }

    /// What a process of this site is told; the API's port included.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut all = self.variables.clone();
        all.push(("ORDERMILL_ADDR", self.address().host().to_owned()));
        all.extend(self.settings.more.iter().cloned());
        all
    }

    /// Drops the database, where the server outlives us.
    pub async fn clear(self, grounds: &Grounds) -> Result<()> {
        if grounds.are_given() {
            store::drop(&grounds.database_url(), &self.name).await?;
        }
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<()> {
        let mut child = Command::new(binaries::path(program)?)
            .args(arguments)
            .envs(self.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        child.stdin.take().context("no stdin")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let words = [output.stdout, output.stderr].concat();
            let words = String::from_utf8_lossy(&words).into_owned();
            bail!("`{program} {}` failed ({}):\n{words}", arguments.join(" "), output.status);
        }
        Ok(())
    }
}

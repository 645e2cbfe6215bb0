//! A site: one database with its settings and secrets, on which the API and workers can run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use ordermill_common::broker::{self, Broker};
use tokio::task::block_in_place;
use xtask::{binaries, ports, secret};

use super::{Grounds, store};
use crate::http::Address;
use crate::verify::{self, Verdict};

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
    outlived: bool,
    server_url: String,
    database_url: String,
    amqp_url: String,
    prefix: String,
    secrets: Vec<(&'static str, String)>,
    settings: Settings,
    admin: Admin,
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
        fs::create_dir(&folder)?;
        let mut ports =
            (0..settings.workers + 2).map(|_| ports::free()).collect::<Result<Vec<_>>>()?;
        let site = Self {
            outlived: grounds.are_given(),
            server_url: grounds.database_url(),
            database_url: store::create(&grounds.database_url(), &name).await?,
            amqp_url: grounds.amqp_url(),
            prefix: format!("bench.{tag}."),
            // Hexadecimal digits are base64 as well.
            secrets: vec![("ORDERMILL_JWT_KEYS", format!("bench:{}", secret::hex(32)?))],
            settings,
            admin: Admin {
                email: format!("admin-{tag}@bench.example"),
                password: secret::hex(16)?,
            },
            api_port: ports.pop().context("no port")?,
            admin_ports: ports,
            name,
            folder,
        };
        let prepared = block_in_place(|| {
            site.run("ordermill-api", &["migrate"], "")?;
            let arguments = ["create-admin", "--email", &site.admin.email, "--password-stdin"];
            site.run("ordermill-api", &arguments, &format!("{}\n", site.admin.password))
        });
        if let Err(error) = prepared {
            site.clear().await?;
            return Err(error);
        }
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
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many workers are to run.
    pub(super) fn workers(&self) -> usize {
        self.settings.workers
    }

    /// What a process of this site is told.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("AMQP_URL", self.amqp_url.clone()),
            ("ORDERMILL_QUEUE_PREFIX", self.prefix.clone()),
            ("ORDERMILL_CURRENCY", self.settings.currency.clone()),
            ("ORDERMILL_ADDR", self.address().host().to_owned()),
            ("ORDERMILL_TOKEN_SECONDS", "86400".to_owned()),
            ("ORDERMILL_BCRYPT_COST", "4".to_owned()),
            ("ORDERMILL_PAYMENT_LEDGER", self.ledger().display().to_string()),
            ("ORDERMILL_LOG_FORMAT", "json".to_owned()),
        ];
        all.extend(self.secrets.iter().cloned());
        all.extend(self.settings.more.iter().cloned());
        all
    }

    /// Its database.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// What goes before its queues' names.
    pub fn queue_prefix(&self) -> &str {
        &self.prefix
    }

    /// What `verify` finds on this site.
    pub fn verify(&self) -> Result<Verdict> {
        verify::verify(&self.database_url, Some(&self.ledger()))
    }

    /// Lines of level ERROR in the logs of its processes, and what a panic prints.
    pub fn errors_logged(&self) -> Result<Vec<String>> {
        let mut errors = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let log = String::from_utf8_lossy(&fs::read(path)?).into_owned();
                let is_error = |line: &&str| {
                    line.contains("\"level\":\"ERROR\"") || line.contains(" panicked at ")
                };
                errors.extend(log.lines().filter(is_error).map(str::to_owned));
            }
        }
        Ok(errors)
    }

    /// Drops the database and deletes the queues, where the servers outlive us.
    pub async fn clear(&self) -> Result<()> {
        if self.outlived {
            store::drop(&self.server_url, &self.name).await?;
            broker::delete_topology(&Broker::new(&self.amqp_url, &self.prefix)?).await?;
        }
        Ok(())
    }

    /// The payment gateway's ledger.
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger.jsonl")
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

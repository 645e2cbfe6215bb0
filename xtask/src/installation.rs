//! The product, running: an API and its workers, on given servers, with its files in a folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::mark::Mark;
use crate::program::Program;
use crate::{binaries, ports, secret};

// The programs give up draining after 25 seconds by themselves.
const GRACE: Duration = Duration::from_secs(30);

/// What an installation needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for its keys, its logs and the payment ledger; it must exist.
    pub folder: PathBuf,
    /// `mysql://…`
    pub database_url: String,
    /// `amqp://…`
    pub amqp_url: String,
    /// The API's port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// How many workers.
    pub workers: usize,
    /// Further configuration, such as `("ORDERMILL_BCRYPT_COST", "4")`.
    pub environment: Vec<(String, String)>,
}

/// An API and its workers. Dropping it kills them; [`Installation::stop`] lets them drain.
#[derive(Debug)]
pub struct Installation {
    /// The API.
    pub api: Program,
    /// The workers, `worker-1` first.
    pub workers: Vec<Program>,
    url: String,
    ledger: PathBuf,
}

impl Installation {
    /// Prepares the programs without starting them: [`migrate`](Self::migrate) comes first. The
    /// programs must have been built; their processes will carry `mark`.
    pub fn new(settings: &Settings, mark: &Mark) -> Result<Self> {
        let logs = settings.folder.join("logs");
        fs::create_dir_all(&logs)
            .with_context(|| format!("cannot write to {}", settings.folder.display()))?;
        let ledger = settings.folder.join("payments.jsonl");
        let keys = keys_file(&settings.folder)?;
        let address = match settings.port {
            0 => format!("127.0.0.1:{}", ports::free()?),
            port => format!("127.0.0.1:{port}"),
        };
        let program = |name: String, binary: &str, own: Vec<(&str, OsString)>| {
            let admin_address = format!("127.0.0.1:{}", ports::free()?);
            let environment = [
                ("DATABASE_URL", settings.database_url.clone().into()),
                ("AMQP_URL", settings.amqp_url.clone().into()),
                ("ORDERMILL_ADMIN_ADDR", admin_address.clone().into()),
            ];
            let further =
                settings.environment.iter().map(|(key, value)| (key.clone(), value.into()));
            anyhow::Ok(Program {
                path: binaries::path(binary)?,
                environment: environment
                    .into_iter()
                    .chain(own)
                    .map(|(key, value)| (key.to_owned(), value))
                    .chain(further)
                    .collect(),
                admin_address,
                log: logs.join(format!("{name}.log")),
                mark: mark.clone(),
                child: None,
                name,
            })
        };
        let own = vec![
            ("ORDERMILL_ADDR", address.clone().into()),
            ("ORDERMILL_JWT_KEYS_FILE", keys.into()),
        ];
        let api = program("api".into(), "ordermill-api", own)?;
        let workers = (1..=settings.workers).map(|number| {
            let own = vec![("ORDERMILL_PAYMENT_LEDGER", ledger.clone().into())];
            program(format!("worker-{number}"), "ordermill-worker", own)
        });
        let workers = workers.collect::<Result<_>>()?;
        Ok(Self { api, workers, url: format!("http://{address}"), ledger })
    }

    /// Brings the database's schema up to date.
    pub fn migrate(&self) -> Result<()> {
        self.api.run_once(&["migrate"], "").map(drop)
    }

    /// Starts the API and the workers without waiting for them.
    pub fn start(&mut self) -> Result<()> {
        self.programs().try_for_each(Program::start)
    }

    /// Returns once all of them are ready.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.programs().try_for_each(Program::wait_until_ready)
    }

    /// The API first, then the workers.
    pub fn programs(&mut self) -> impl Iterator<Item = &mut Program> {
        std::iter::once(&mut self.api).chain(&mut self.workers)
    }

    /// The API's address, `http://127.0.0.1:8080`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ledger file of the mock payment gateway.
    pub fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// Lets all of them drain, side by side, and ends them. Answers the names of those that had
    /// to be killed.
    pub fn stop(&mut self) -> Vec<String> {
        self.programs().for_each(Program::ask_to_stop);
        self.programs()
            .filter_map(|program| (!program.finish(GRACE)).then(|| program.name().to_owned()))
            .collect()
    }
}

// One key for good: tokens outlive a restart. Hexadecimal digits are base64 digits too.
fn keys_file(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("jwt.keys");
    if !path.exists() {
        secret::write(&path, &format!("first:{}\n", secret::hex(32)?))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

//! `cargo xtask up`: from nothing to a paid order, then it stays.

mod account;
mod demo;
mod shop;
mod stay;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::folder::{self, Claim, Folder};
use xtask::installation::{Installation, Settings};
use xtask::progress::Progress;
use xtask::servers::{Programs, Servers};
use xtask::{binaries, ports};

use self::account::Administrator;
use self::shop::Shop;
use crate::given::{Given, Urls};

/// What runs, and where.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many workers
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// The API's port; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    #[command(flatten)]
    folder: crate::DataFolder,
    /// Place no demo order
    #[arg(long)]
    no_demo: bool,
    /// Use the API's and the worker's programs as they are
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    given: Given,
}

/// Everything that this command runs; the API and the workers end before the servers.
struct Running {
    installation: Installation,
    servers: Option<Servers>,
}

/// Starts everything, places an order, prints where everything is, stays until a signal.
pub(crate) fn run(options: &Options, progress: Progress) -> Result<ExitCode> {
    let given = options.given.urls()?;
    let folder = claim(options, progress)?;
    if options.port != 0 && !ports::take(options.port) {
        bail!(
            "port {} on 127.0.0.1 is taken: choose another with --port (--port 0 picks a free one)",
            options.port
        );
    }
    let programs = match given {
        Some(_) => None,
        None => Some(Programs::find_or_install(progress)?),
    };
    // In the profile of this command, dev: a newcomer waits for this build, and `cargo xtask test`
    // uses most of it again. An optimised build takes several times as long.
    if !options.no_build {
        binaries::build(progress)?;
    }

    let launch =
        |programs| progress.step("Preparing the servers", || Servers::launch(&folder, &programs));
    let servers = programs.map(launch).transpose()?;
    let urls = given.or_else(|| {
        servers
            .as_ref()
            .map(|servers| Urls { database: servers.database_url(), amqp: servers.amqp_url() })
    });
    let urls = urls.expect("servers are either given or launched");
    let settings = Settings {
        folder: folder.path().to_owned(),
        database_url: urls.database,
        amqp_url: urls.amqp,
        port: options.port,
        workers: options.workers,
        environment: Vec::new(),
    };
    let installation = Installation::new(&settings, folder.mark())?;
    let mut running = Running { installation, servers };
    let outcome = running.live(options, &folder, progress);
    let stopped = progress.step("Stopping", || running.stop());
    outcome.map_err(|error| folder.explain(error))?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

fn claim(options: &Options, progress: Progress) -> Result<Folder> {
    let path: &PathBuf = &options.folder.path;
    match folder::claim(path)? {
        Claim::Ours(folder) => {
            let left = folder.end_left_behind();
            if left > 0 {
                progress.note(&format!("ended {left} that a killed run had left behind"));
            }
            Ok(folder)
        }
        Claim::Held(holder) => {
            let pid = holder.as_ref().map(|holder| format!(", pid {}", holder.pid));
            let url = holder.and_then(|holder| holder.url).map(|url| format!(", at {url}"));
            bail!(
                "already running in {}{}{}: `cargo xtask down` stops it, --data chooses another \
                 folder",
                path.display(),
                url.unwrap_or_default(),
                pid.unwrap_or_default()
            );
        }
    }
}

impl Running {
    fn live(&mut self, options: &Options, folder: &Folder, progress: Progress) -> Result<()> {
        let administrator = self.start(progress)?;
        let url = self.installation.url().to_owned();
        folder.tell(Some(&url))?;
        let shop = Shop::at(&url);
        if !options.no_demo {
            demo::run(&shop, progress)?;
        }
        let credential = administrator.credential(&shop)?;
        self.greet(folder, &credential)?;
        stay::until_signal(self, progress)
    }

    // The broker takes longest to start: meanwhile the database, when ready, is filled.
    fn start(&mut self, progress: Progress) -> Result<Administrator> {
        let Self { installation, servers } = self;
        if let Some(servers) = servers {
            progress.step("Starting the database", || servers.wait_for_database())?;
        }
        progress.step("Migrating the database", || installation.migrate())?;
        let administrator =
            progress.step("Creating an administrator", || Administrator::create(installation))?;
        progress
            .step("Filling the catalogue", || installation.api.run_once(&["seed"], "").map(drop))?;
        if let Some(servers) = servers {
            progress.step("Starting the broker", || servers.wait_for_broker())?;
        }
        let what = match installation.workers.len() {
            1 => "Starting the API and one worker".to_owned(),
            count => format!("Starting the API and {count} workers"),
        };
        progress.step(&what, || {
            installation.start()?;
            installation.wait_until_ready()
        })?;
        Ok(administrator)
    }

    fn greet(&self, folder: &Folder, credential: &str) -> Result<()> {
        let mut stdout = io::stdout();
        writeln!(
            stdout,
            "\nOrdermill is up.\n\
             \n  API            {url}\n  health         http://{health}/readyz\n  \
             administrator  {credential}\n  logs           {logs}/logs\n\
             \nTry:  curl '{url}/v1/products?limit=3'\n\
             \nCtrl-C stops everything; `cargo xtask up` continues with the same orders.",
            url = self.installation.url(),
            health = self.installation.api.admin_address(),
            logs = folder.path().display(),
        )?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let killed = self.installation.stop();
        drop(self.servers.take());
        if !killed.is_empty() {
            bail!("{} did not drain in time and had to be killed", killed.join(", "));
        }
        Ok(())
    }
}

//! The worker's binary: reads the settings and does what the subcommand says.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use ordermill_common::db::Db;
use ordermill_common::log;
use ordermill_common::ops::{self, settings};
use ordermill_worker::config::{Cli, Command, HealthArgs, StoreArgs};
use ordermill_worker::{gateway, letters, republish, run, verify};
use tikv_jemallocator::Jemalloc;

// The C library's keeps what a burst once needed; this one gives it back after some seconds.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    #[cfg(feature = "crash-points")]
    if let Err(error) = ordermill_common::crash::arm() {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let settings = match settings::parse::<Cli>(std::env::args_os(), "run") {
        Ok(settings) => settings,
        Err(unusable) => return ExitCode::from(unusable.print()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(act(settings)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", log::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn act(settings: settings::Settings<Cli>) -> anyhow::Result<ExitCode> {
    match &settings.cli.command {
        Command::Run(args) => {
            args.log.start();
            settings.log();
            let draining = ops::draining().context("cannot listen for signals")?;
            run::run(args, draining).await?;
            tracing::info!("drained");
        }
        Command::Republish(args) => {
            let woken = republish::republish(&open(args)?).await?;
            println!(
                "woken: {} checkouts, {} payments, {} cancellations",
                woken.checkouts, woken.payments, woken.cancellations
            );
        }
        Command::DeadLetters(args) => letters::act(&open(&args.store)?, &args.action).await?,
        Command::Verify(args) => {
            let code = match open(&args.store) {
                Ok(db) => verify::command(&db, &args.verify).await,
                Err(error) => {
                    eprintln!("verify: {}", log::chain(error.as_ref()));
                    verify::UNREADABLE
                }
            };
            return Ok(ExitCode::from(code));
        }
        Command::MockGateway(args) => {
            args.log.start();
            settings.log();
            let ending = ops::draining().context("cannot listen for signals")?;
            gateway::mock::run(args, ending).await?;
        }
        Command::Healthcheck(args) => println!("{}", ops::probe(address(args)?).await?),
    }
    Ok(ExitCode::SUCCESS)
}

fn open(args: &StoreArgs) -> anyhow::Result<Db> {
    args.log.start();
    Db::new(&args.database.database_url, 2).context("DATABASE_URL cannot be used")
}

/// Where a running worker answers: what its port file says when there is one.
fn address(args: &HealthArgs) -> anyhow::Result<SocketAddr> {
    match &args.admin_port_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .trim()
            .parse()
            .with_context(|| format!("{} holds no address", file.display())),
        None => Ok(args.admin_addr),
    }
}

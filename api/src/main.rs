//! The API's binary: reads the settings and does what the subcommand says.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use ordermill_api::config::{Cli, Command, HealthArgs, StoreArgs};
use ordermill_api::create_admin::create_admin;
use ordermill_api::seed::seed;
use ordermill_api::serve::Server;
use ordermill_common::db::{self, Db};
use ordermill_common::log;
use ordermill_common::ops::{self, settings};
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
    let settings = match settings::parse::<Cli>(std::env::args_os(), "serve") {
        Ok(settings) => settings,
        Err(unusable) => return ExitCode::from(unusable.print()),
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => match runtime.block_on(act(settings)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {}", log::chain(error.as_ref()));
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn act(settings: settings::Settings<Cli>) -> anyhow::Result<()> {
    match &settings.cli.command {
        Command::Serve(args) => {
            args.log.start();
            settings.log();
            let draining = ops::draining().context("cannot listen for signals")?;
            Server::bind(args).await?.run(draining).await?;
            tracing::info!("drained");
            Ok(())
        }
        Command::Migrate(args) => {
            db::migrate(&start(args)?).await?;
            tracing::info!("the schema is up to date");
            Ok(())
        }
        Command::CreateAdmin(args) => {
            create_admin(&start(&args.store)?, args).await?;
            Ok(())
        }
        Command::Seed(args) => {
            let made = seed(&start(args)?).await?;
            tracing::info!(made, "the demo catalogue is there");
            Ok(())
        }
        Command::Healthcheck(args) => {
            println!("{}", ops::probe(health_addr(args)?).await?);
            Ok(())
        }
    }
}

fn start(args: &StoreArgs) -> anyhow::Result<Db> {
    args.log.start();
    Db::new(&args.database.database_url, 2).context("DATABASE_URL cannot be used")
}

/// Where a running API answers: what its port file says when there is one.
fn health_addr(args: &HealthArgs) -> anyhow::Result<SocketAddr> {
    match &args.admin_port_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .trim()
            .parse()
            .with_context(|| format!("{} holds no address", file.display())),
        None => Ok(args.admin_addr),
    }
}

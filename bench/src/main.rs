//! `ordermill-bench replay` and `ordermill-bench load`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ordermill_bench::{load, replay};
use xtask::interrupt::{self, Interrupted};

/// Drives an installation through its HTTP API: a running one, or a private one that it starts and stops.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replays the invoices of a real shop and accounts for every row.
    Replay(replay::ReplayArgs),
    /// Checks out as fast as it goes, and prints the rates.
    Load(load::LoadArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(cli.command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("interrupted: everything is stopped");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers whether everything was in order.
async fn act(command: Command) -> Result<bool> {
    interrupt::listen()?;
    match command {
        Command::Replay(args) => {
            let report = replay::run(args).await?;
            print!("{report}");
            Ok(report.is_clean())
        }
        Command::Load(args) => load::run(args).await,
    }
}

//! `ordermill-bench replay` and `ordermill-bench load`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ordermill_bench::{load, replay};
use xtask::interrupt;

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
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    interrupt::listen()?;
    let is_clean = match cli.command {
        Command::Replay(args) => {
            let report = replay::run(args).await?;
            print!("{report}");
            report.is_clean()
        }
        Command::Load(args) => load::run(args).await?,
    };
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

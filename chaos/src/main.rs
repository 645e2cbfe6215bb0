//! `ordermill-chaos`: plays the scenarios and prints what came of them; see `cargo xtask chaos`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use ordermill_bench::installation::{Commands, Grounds};
use ordermill_bench::live;
use ordermill_chaos::report::{Outcome, Report};
use ordermill_chaos::run::{self, Rigour};
use ordermill_chaos::scene::Scenario;
use ordermill_chaos::{mutants, scenario};
use tokio::task::block_in_place;
use xtask::interrupt::{self, Interrupted};
use xtask::secret;

/// Breaks a private installation in every way that the scenarios know, under load, and checks what is left.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Only the scenario of this name, or those whose names begin like this; may be repeated.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Trials of each scenario instead of its own number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: Option<u32>,
    /// Repeats a run; without it one is chosen and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// The first trial: a long run can be split.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    from: u32,
    /// Plant bugs in a copy of the repository and see whether the scenarios find them.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    mutants: Option<Vec<String>>,
    /// A few trials of each scenario but the three longest, in minutes.
    #[arg(long)]
    quick: bool,
    /// List the scenarios and leave.
    #[arg(long)]
    list: bool,
    /// The servers.
    #[command(flatten)]
    commands: Commands,
}

#[tokio::main]
async fn main() -> ExitCode {
    match act(Cli::parse()).await {
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

/// Answers whether nothing was violated.
async fn act(cli: Cli) -> Result<bool> {
    let mut chosen = scenario::all();
    if !cli.scenarios.is_empty() {
        let is_whole = |name: &String| scenario::all().iter().any(|one| one.name == name);
        let is_meant = |one: &Scenario, name: &String| {
            one.name == name || (!is_whole(name) && one.name.starts_with(name.as_str()))
        };
        chosen.retain(|one| cli.scenarios.iter().any(|name| is_meant(one, name)));
    }
    if chosen.is_empty() {
        bail!("there is no such scenario; --list names them");
    }
    if cli.list {
        for one in &chosen {
            println!(
                "{:20} {:>6} trials, quick {:>2}   {}",
                one.name, one.trials, one.quick, one.about
            );
        }
        return Ok(true);
    }
    interrupt::listen()?;
    let seed = match cli.seed {
        Some(seed) => seed,
        None => u64::from_str_radix(&secret::hex(4)?, 16)?,
    };
    live::note(&format!("seed {seed}"));
    if let Some(names) = &cli.mutants {
        return block_in_place(|| mutants::run(names, seed));
    }
    let folder = tempfile::Builder::new().prefix("ordermill-chaos-").tempdir()?;
    let mut grounds = block_in_place(|| Grounds::start(folder.path(), cli.commands.clone()))?;
    let mut report = Report { seed, outcomes: Vec::new() };
    for one in &chosen {
        let trials = cli.trials.unwrap_or(if cli.quick { one.quick } else { one.trials });
        if trials == 0 {
            continue;
        }
        live::note(&format!("{}: {trials} trials. {}", one.name, one.about));
        let range = cli.from..cli.from + trials;
        let outcome = match run::run(&mut grounds, one, range, seed, Rigour::Full).await {
            Ok(outcome) => outcome,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            // A run that could not be judged has failed.
            Err(error) => {
                let mut outcome = Outcome::new(one.name);
                outcome.violations.push(format!("it could not be played: {error:#}"));
                outcome
            }
        };
        report.outcomes.push(outcome);
    }
    drop(grounds);
    if report.outcomes.is_empty() {
        bail!("nothing was played: a quick run leaves out what you named");
    }
    print!("{report}");
    if !report.is_clean() {
        live::note(&format!("the evidence is in {}", folder.keep().display()));
    }
    Ok(report.is_clean())
}

//! `cargo xtask chaos`: builds the programs with crash points, optimised, and lets the harness break them.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use xtask::progress::Progress;
use xtask::{binaries, install};

const PROFILE: &str = "chaos";

/// What is handed to the harness.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The harness's options: --scenario NAME, --trials N, --seed S, --quick, --list, ... (--help lists them)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds, runs, and answers the harness's exit code.
pub(crate) fn run(options: &Options, progress: Progress) -> Result<ExitCode> {
    install::build_tools(progress)?;
    progress.loud_step("Building with crash points", || {
        let mut command = binaries::cargo();
        command.args(["build", "--locked", "--profile", PROFILE]);
        command.args(["-p", "ordermill-api", "-p", "ordermill-worker", "-p", "ordermill-chaos"]);
        command.args(["--features", "ordermill-api/crash-points,ordermill-worker/crash-points"]);
        ensure!(binaries::follow(command)?.success(), "the programs do not compile");
        Ok(())
    })?;
    let harness = binaries::target()?.join(PROFILE).join("ordermill-chaos");
    let mut command = xtask::child::command(harness);
    command.args(&options.arguments).env_remove("DATABASE_URL").env_remove("AMQP_URL");
    let status = binaries::follow(command)?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

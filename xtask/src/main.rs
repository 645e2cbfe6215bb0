//! `cargo xtask`: one command runs the product, one command tests it.

mod chaos_command;
mod down;
mod given;
mod reset;
mod servers_command;
mod test_command;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::interrupt::{self, Interrupted};
use xtask::progress::Progress;

/// The developer's commands of Ordermill.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run everything: servers, API and workers; place an order; stay until Ctrl-C
    Up(up::Options),
    /// Stop what an `up` on the folder left running
    Down(DataFolder),
    /// Stop it and delete the folder
    Reset(DataFolder),
    /// Run all tests on private servers (or on `DATABASE_URL` and `AMQP_URL`), then clean up
    Test(test_command::Options),
    /// Break everything under load, by scenario and seed, and check that nothing accepted is lost
    #[command(disable_help_flag = true)]
    Chaos(chaos_command::Options),
    /// Run private servers only; print their URLs; stay until Ctrl-C
    Servers(DataFolder),
}

#[derive(clap::Args)]
struct DataFolder {
    /// Where all files go [default: .ordermill in the repository]
    #[arg(long = "data", value_name = "DIR", default_value_os_t = default_folder(), hide_default_value = true)]
    path: PathBuf,
}

fn default_folder() -> PathBuf {
    xtask::binaries::root().join(".ordermill")
}

fn main() -> ExitCode {
    let command = Command::parse();
    let progress = Progress::detect();
    let outcome = interrupt::listen().map_err(Into::into).and_then(|()| match command.verb {
        Verb::Up(options) => up::run(&options, progress),
        Verb::Down(folder) => down::run(&folder.path, progress),
        Verb::Reset(folder) => reset::run(&folder.path, progress),
        Verb::Test(options) => test_command::run(&options, progress),
        Verb::Chaos(options) => chaos_command::run(&options, progress),
        Verb::Servers(folder) => servers_command::run(&folder.path, progress),
    });
    match outcome {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            progress.note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

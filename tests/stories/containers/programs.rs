//! What our binaries take: their own definitions of subcommands, flags and variables.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory as _};

/// A binary's command line.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    command: Command,
}

impl Program {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "ordermill-api" => {
                Self { name: "ordermill-api", command: ordermill_api::config::Cli::command() }
            }
            "ordermill-worker" => {
                Self { name: "ordermill-worker", command: ordermill_worker::config::Cli::command() }
            }
            other => panic!("{other} is no binary of ours"),
        }
    }

    /// Whether there is such a subcommand.
    pub(super) fn has(&self, subcommand: &str) -> bool {
        self.command.find_subcommand(subcommand).is_some()
    }

    /// Whether the subcommand reads the variable.
    pub(super) fn knows(&self, subcommand: &str, variable: &str) -> bool {
        self.argument(subcommand, variable).is_some()
    }

    fn argument(&self, subcommand: &str, variable: &str) -> Option<&Arg> {
        let found = self.command.find_subcommand(subcommand);
        let found = found.unwrap_or_else(|| panic!("{} has no {subcommand}", self.name));
        found.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == variable))
    }

    /// A number's default, whichever subcommand has it.
    pub(super) fn default_of(&self, variable: &str) -> u64 {
        let mut all = self.command.get_subcommands();
        let arg = all.find_map(|one| self.argument(one.get_name(), variable));
        let value = arg.expect("a variable").get_default_values()[0].to_str().expect("a text");
        value.parse().expect("a number")
    }

    /// Whether it would accept these words and exactly these variables. They are given as flags, and the
    /// test's own environment is not asked.
    pub(super) fn would_start(
        &self,
        words: &[String],
        variables: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let subcommand = words.first().ok_or("no subcommand")?;
        let mut line = vec![self.name.to_owned()];
        line.extend_from_slice(words);
        for (name, value) in variables {
            let arg = self.argument(subcommand, name);
            let arg = arg.ok_or_else(|| format!("{subcommand} reads no {name}"))?;
            let flag = arg.get_long().ok_or_else(|| format!("{name} has no flag"))?;
            line.push(format!("--{flag}={value}"));
        }
        let deaf = self.command.clone().mut_subcommand(subcommand, |subcommand| {
            subcommand.mut_args(|arg| arg.env(clap::builder::Resettable::Reset))
        });
        deaf.try_get_matches_from(line).map(drop).map_err(|error| error.to_string())
    }
}

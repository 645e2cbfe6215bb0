//! Settings are clap arguments, each with an environment variable. Wrong ones are listed together, so
//! that an operator mends them in one go, and a secret's value is never repeated.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, Parser};

use crate::log;

/// The parsed command line and the settings in force.
#[derive(Debug)]
pub struct Settings<C> {
    /// What was parsed.
    pub cli: C,
    shown: BTreeMap<String, String>,
}

impl<C> Settings<C> {
    /// Writes the settings of the chosen subcommand to the log, secrets masked.
    pub fn log(&self) {
        tracing::info!(settings = %serde_json::json!(self.shown), "configuration");
    }
}

/// Why the settings cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// Help, a version, or a command line that cannot be read.
    Usage(clap::Error),
    /// Wrong or missing values, one sentence each.
    Wrong(Vec<String>),
}

impl Unusable {
    /// Prints it where it belongs and answers the exit code: 0 for help, 2 otherwise.
    pub fn print(&self) -> u8 {
        match self {
            Self::Usage(error) => {
                // Nobody is left to tell when the terminal is gone.
                let _ = error.print();
                u8::try_from(error.exit_code()).unwrap_or(2)
            }
            Self::Wrong(wrong) => {
                eprintln!("error: these settings are wrong or missing (--help describes them):");
                for line in wrong {
                    eprintln!("  {line}");
                }
                2
            }
        }
    }
}

/// Parses the command line and the environment; without a subcommand `default` is meant.
pub fn parse<C: Parser>(
    args: impl IntoIterator<Item = OsString>,
    default: &str,
) -> Result<Settings<C>, Unusable> {
    let args = with_subcommand(args.into_iter().collect(), default);
    let chosen = args[1].to_string_lossy().into_owned();
    let mut command = C::command();
    let mut wrong = Vec::new();
    loop {
        let error = match command.clone().try_get_matches_from(&args) {
            Ok(mut matches) if wrong.is_empty() => {
                let shown = show(&command, &matches);
                let cli = C::from_arg_matches_mut(&mut matches).map_err(Unusable::Usage)?;
                return Ok(Settings { cli, shown });
            }
            Ok(_) => return Err(Unusable::Wrong(wrong)),
            Err(error) => error,
        };
        if error.kind() == ErrorKind::MissingRequiredArgument {
            wrong.extend(named(&error).iter().map(|arg| format!("{arg} is missing")));
            return Err(Unusable::Wrong(wrong));
        }
        let Some(arg) = wrong_arg(&command, &chosen, &error) else {
            return Err(Unusable::Usage(error));
        };
        wrong.push(sentence(arg, &error));
        // The others are checked on the next round, with this one out of the way.
        let id = arg.get_id().clone();
        command = command.mut_subcommand(&chosen, |sub| {
            sub.mut_arg(id, |arg| arg.value_parser(clap::builder::OsStringValueParser::new()))
        });
    }
}

fn with_subcommand(mut args: Vec<OsString>, default: &str) -> Vec<OsString> {
    let first = args.get(1).map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    let general = ["-h", "--help", "-V", "--version"].contains(&first.as_str());
    if first.is_empty() || (first.starts_with('-') && !general) {
        args.insert(1.min(args.len()), default.into());
    }
    args
}

fn named(error: &clap::Error) -> Vec<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(many)) => many.clone(),
        _ => Vec::new(),
    }
}

fn wrong_arg<'c>(command: &'c Command, chosen: &str, error: &clap::Error) -> Option<&'c Arg> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let named = named(error);
    let long = named.first()?.strip_prefix("--")?.split([' ', '[', '=']).next()?;
    command.find_subcommand(chosen)?.get_arguments().find(|arg| arg.get_long() == Some(long))
}

fn sentence(arg: &Arg, error: &clap::Error) -> String {
    let flag = arg.get_long().unwrap_or_default();
    let env = arg.get_env().map(|env| format!(" ({})", env.display())).unwrap_or_default();
    let why =
        error.source().map_or_else(|| "not one of its values".to_owned(), ToString::to_string);
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !arg.is_hide_env_values_set() => {
            format!(" '{value}'")
        }
        _ => String::new(),
    };
    format!("--{flag}{env}{value}: {why}")
}

fn show(command: &Command, matches: &ArgMatches) -> BTreeMap<String, String> {
    let Some((chosen, matches)) = matches.subcommand() else { return BTreeMap::new() };
    let args = command.find_subcommand(chosen).into_iter().flat_map(Command::get_arguments);
    args.filter_map(|arg| {
        let given = matches.try_get_raw(arg.get_id().as_str()).ok()??;
        let value =
            given.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(",");
        let value =
            if arg.is_hide_env_values_set() { log::without_password(&value) } else { value };
        Some((arg.get_id().to_string(), value))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Sub {
        Serve {
            #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(4..=16))]
            cost: u16,
            #[arg(long, default_value = "127.0.0.1:80")]
            addr: std::net::SocketAddr,
            #[arg(long, hide_env_values = true, value_parser = secret)]
            keys: String,
            #[arg(long, hide_env_values = true)]
            url: String,
        },
        Other,
    }

    fn secret(text: &str) -> Result<String, String> {
        if text.len() > 3 { Ok(text.to_owned()) } else { Err("too short".to_owned()) }
    }

    fn parsed(args: &str) -> Result<Settings<Cli>, Unusable> {
        parse(format!("shop {args}").split_whitespace().map(OsString::from), "serve")
    }

    #[test]
    fn all_wrong_settings_are_listed_at_once_and_no_secret_is_repeated() {
        let refused = parsed("--cost 99 --addr nowhere --keys k9").unwrap_err();
        let Unusable::Wrong(wrong) = refused else { panic!("{refused:?}") };
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong[0].contains("--cost") && wrong[0].contains("99"), "{wrong:?}");
        assert!(wrong[1].contains("--addr") && wrong[1].contains("nowhere"), "{wrong:?}");
        assert!(wrong[2].contains("too short") && !wrong[2].contains("k9"), "{wrong:?}");
        assert!(wrong[3].contains("--url") && wrong[3].contains("missing"), "{wrong:?}");
    }

    #[test]
    fn without_a_subcommand_the_default_is_meant_and_others_need_none_of_its_settings() {
        let settings = parsed("--keys abcdef --url mysql://me:secret@db/shop").unwrap();
        assert!(matches!(settings.cli.command, Sub::Serve { .. }));
        assert_eq!(settings.shown["cost"], "10");
        assert_eq!(settings.shown["keys"], "***");
        assert_eq!(settings.shown["url"], "mysql://me:***@db/shop");
        assert!(matches!(parsed("other").unwrap().cli.command, Sub::Other));
        assert!(matches!(parsed("--nonsense"), Err(Unusable::Usage(_))));
        assert!(matches!(parsed("--help"), Err(Unusable::Usage(_))));
    }
}

//! Structured logs: one line an event, JSON for machines or pretty for people, on standard output.
//!
//! | level | what is logged there |
//! |---|---|
//! | error | somebody must look: a member fails for good, a message is parked, an invariant broke |
//! | warn | it will mend itself: a connection was lost, a batch was given up and will come again |
//! | info | one line a request, one a step of an order, starts and stops |
//! | debug | batches, connections, sweeps |
//!
//! Never logged at any level: passwords, tokens, keys, connection URLs with their secret, message bodies.

use std::error::Error;
use std::fmt::Write as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Pretty,
}

/// Starts logging for the process; a second call does nothing. A filter that cannot be read becomes `info`.
pub fn start(format: Format, filter: &str) {
    let filter = EnvFilter::try_new(filtered(filter)).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE);
    // A second start (tests in one process) keeps the first.
    let _ = match format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        Format::Pretty => lines.with_target(false).try_init(),
    };
}

/// The libraries call what mends itself an error: the AMQP library every closed connection, the database's
/// pool every connection that is lost while it is made. What matters of it is logged by our own supervisors
/// or told to the caller. Whoever names a library in the filter gets its lines.
fn filtered(filter: &str) -> String {
    let mut filtered = filter.to_owned();
    for (library, quiet) in [("lapin", ",lapin=off"), ("sqlx", ",sqlx_core::pool=off")] {
        if !filter.contains(library) {
            filtered.push_str(quiet);
        }
    }
    filtered
}

/// The error and its sources on one line. Call it where the error is logged, and only there.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// The URL without its password, fit for a log.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    match rest.rsplit_once('@') {
        Some((credentials, place)) => {
            let user = credentials.split_once(':').map_or(credentials, |(user, _)| user);
            format!("{scheme}://{user}:***@{place}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_cry_error_are_quiet_unless_they_are_named() {
        assert_eq!(filtered("info"), "info,lapin=off,sqlx_core::pool=off");
        assert_eq!(filtered("info,sqlx=warn"), "info,sqlx=warn,lapin=off");
        assert_eq!(filtered("lapin=debug,sqlx=warn"), "lapin=debug,sqlx=warn");
    }

    #[test]
    fn a_url_loses_its_password_and_keeps_the_rest() {
        assert_eq!(without_password("mysql://shop:s@cret@db:3306/x"), "mysql://shop:***@db:3306/x");
        assert_eq!(without_password("amqp://localhost"), "amqp://localhost");
        assert_eq!(without_password("nonsense"), "***");
    }
}

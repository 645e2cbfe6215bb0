//! Asking to cancel, for buyers and admins alike.

use ordermill_common::cancellation::{Asked, Wish, ask};
use ordermill_common::order::{IllegalMove, Status};
use serde::Deserialize;

use crate::flaws::Flaws;
use crate::problem::{Answer, Code, Problem};
use crate::state::App;

const LONGEST_REASON: usize = 200;

/// What is said about it; the whole body may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    reason: Option<String>,
}

impl Request {
    /// The reason, if there is one.
    pub(crate) fn reason(self) -> Result<Option<String>, Problem> {
        let reason = self.reason.map(|reason| reason.trim().to_owned());
        let reason = reason.filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
            let mut flaws = Flaws::default();
            flaws.add("#/reason", format_args!("at most {LONGEST_REASON} characters"));
            return Err(flaws.into());
        }
        Ok(reason)
    }
}

/// Notes the wish, once; `moves` are those that its author may ask for instead.
pub(crate) async fn wish(app: &App, wish: Wish, moves: fn(Status) -> Vec<Status>) -> Answer<()> {
    let publisher = app.writes.owner;
    let asked = app.db.write(move |tx| {
        let wish = wish.clone();
        Box::pin(async move { ask(tx, publisher, &wish).await })
    });
    match asked.await? {
        Asked::Now(message) => {
            ordermill_common::crash_point!("ask.after_commit");
            app.writes.publish(message);
        }
        Asked::Before => {}
        Asked::Illegal(tried) => return Err(illegal(tried, moves)),
        Asked::Unknown => return Err(Problem::not_found()),
    }
    Ok(())
}

/// The refusal of a move, with those that are allowed instead.
pub(crate) fn illegal(tried: IllegalMove, moves: fn(Status) -> Vec<Status>) -> Problem {
    Problem::new(Code::IllegalMove, tried.to_string())
        .with("status_of_order", tried.from)
        .with("allowed_transitions", moves(tried.from))
}

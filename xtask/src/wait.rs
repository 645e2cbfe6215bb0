//! Waiting for facts: ask, pause for a moment, ask again, until a deadline or Ctrl-C.

use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt::{self, Interrupted};

const PAUSE: Duration = Duration::from_millis(25);

/// Asks until the answer is there; `None` when it is not within `limit`. An error of the question
/// ends the wait, and so does a signal (as [`Interrupted`]).
pub fn until<T, E: From<Interrupted>>(
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + limit;
    loop {
        interrupt::check()?;
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Like [`until`], but deaf to signals: for the stopping of children, which a signal asked for.
pub fn quietly(limit: Duration, mut ask: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !ask() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Looks again and again, for as long as no signal arrives; an error of the look ends it.
pub fn for_signal<E>(mut look: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    while !interrupt::requested() {
        look()?;
        thread::sleep(PAUSE * 4);
    }
    Ok(())
}

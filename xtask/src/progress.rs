//! What the commands show while they work: each step with its time. On a terminal a running
//! clock; elsewhere plain lines, with a sign of life every ten seconds. All of it on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// How steps are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not at all: for tests.
    Quiet,
    /// Line by line.
    Plain,
    /// With a running clock.
    Terminal,
}

impl Progress {
    /// A clock when a person looks at stderr, lines otherwise.
    pub fn detect() -> Self {
        if io::stderr().is_terminal() { Self::Terminal } else { Self::Plain }
    }

    /// Shows `what` while `work` runs, then the time it took or that it failed.
    pub fn step<T, E>(self, what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let started = Instant::now();
        let (done, ticker_done) = mpsc::channel::<()>();
        let result = thread::scope(|scope| {
            scope.spawn(move || self.tick(what, started, &ticker_done));
            let result = work();
            drop(done);
            result
        });
        self.close(what, started, result.is_ok());
        result
    }

    /// Like [`step`](Self::step) for work that itself prints, which a clock would garble.
    pub fn loud_step<T, E>(self, what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let started = Instant::now();
        self.note(&format!("… {what}"));
        let result = work();
        self.close(what, started, result.is_ok());
        result
    }

    /// One line for the reader.
    pub fn note(self, text: &str) {
        if self != Self::Quiet {
            say(text);
        }
    }

    fn tick(self, what: &str, started: Instant, done: &mpsc::Receiver<()>) {
        let (first, pause) = match self {
            Self::Quiet => return,
            // A short step is one line, written at its end.
            Self::Plain => (Duration::from_secs(1), Duration::from_secs(10)),
            Self::Terminal => (Duration::ZERO, Duration::from_millis(100)),
        };
        let mut wait = first;
        for frame in FRAMES.iter().cycle() {
            if done.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            wait = pause;
            let seconds = started.elapsed().as_secs();
            if self == Self::Terminal {
                let mut stderr = io::stderr().lock();
                let _ = write!(stderr, "\r\x1b[2K{frame} {what} … {seconds} s");
                let _ = stderr.flush();
            } else {
                say(&format!("… {what} ({seconds} s so far)"));
            }
        }
    }

    fn close(self, what: &str, started: Instant, well: bool) {
        let clear = if self == Self::Terminal { "\r\x1b[2K" } else { "" };
        let sign = if well { '✓' } else { '✗' };
        self.note(&format!("{clear}{sign} {what} ({:.1} s)", started.elapsed().as_secs_f64()));
    }
}

/// Prints a line to stderr; a reader that has left is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

//! What is shown while something runs: one line that is rewritten on a terminal, a line every five
//! seconds elsewhere. On stderr, so that stdout holds the result alone.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, interval};
use xtask::interrupt::{self, Interrupted};

const TICK: Duration = Duration::from_millis(200);
const PLAIN_TICKS: u32 = 25;

/// Runs `work` to its end while `line` is shown, or until Ctrl-C.
pub async fn show<T>(
    line: impl Fn() -> String,
    work: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    let mut work = pin!(work);
    let is_terminal = io::stderr().is_terminal();
    let mut ticks = interval(TICK);
    let mut count = 0;
    loop {
        tokio::select! {
            result = &mut work => {
                say(is_terminal, &line(), true);
                return Ok(result);
            }
            _ = ticks.tick() => {
                interrupt::check()?;
                if is_terminal || (count > 0 && count % PLAIN_TICKS == 0) {
                    say(is_terminal, &line(), false);
                }
                count += 1;
            }
        }
    }
}

/// Runs `work` over all `items`, `width` at a time, counting them on the line; ends at the first error.
pub async fn count<I, T, E, W>(
    what: &str,
    items: impl ExactSizeIterator<Item = I>,
    width: usize,
    work: impl Fn(I) -> W,
) -> anyhow::Result<Vec<T>>
where
    W: Future<Output = Result<T, E>>,
    E: Into<anyhow::Error>,
{
    use futures::StreamExt as _;

    let total = items.len();
    let done = std::cell::Cell::new(0);
    let started = Instant::now();
    let line =
        || format!("{what}: {} of {total} in {:.0} s", done.get(), started.elapsed().as_secs_f64());
    let all = async {
        let mut finished = futures::stream::iter(items.map(&work)).buffered(width);
        let mut results = Vec::with_capacity(total);
        while let Some(result) = finished.next().await {
            results.push(result.map_err(Into::into)?);
            done.set(done.get() + 1);
        }
        anyhow::Ok(results)
    };
    show(line, all).await?
}

/// One line for the reader, below what was shown.
pub fn note(text: &str) {
    say(io::stderr().is_terminal(), text, true);
}

// A reader that has left is no reason to fail.
fn say(is_terminal: bool, text: &str, is_last: bool) {
    let mut stderr = io::stderr().lock();
    let clear = if is_terminal { "\r\x1b[2K" } else { "" };
    let end = if is_last || !is_terminal { "\n" } else { "" };
    let _ = write!(stderr, "{clear}{text}{end}");
    let _ = stderr.flush();
}

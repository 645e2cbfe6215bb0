//! One run: a round to warm up, then rounds until their time adds up to what was asked for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use super::arena::Arena;
use super::fire::{Fired, Round};
use crate::http::Request;
use crate::live;
use crate::shop::Order;
use crate::table::Table;
use crate::times::Times;

const WARM_UP: usize = 500;
const STUCK: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(20);

/// What was measured.
#[derive(Debug)]
pub(super) struct Run {
    orders: u64,
    accepting: Duration,
    paying: Duration,
    to_accept: Times,
    to_paid: Times,
    repeats: u64,
}

impl Run {
    /// Checkouts accepted a second, while they were sent.
    pub(super) fn accepted_rate(&self) -> f64 {
        rate(self.orders, self.accepting)
    }

    /// Orders paid a second, from the first checkout until all were paid.
    pub(super) fn paid_rate(&self) -> f64 {
        rate(self.orders, self.paying)
    }

    /// The rows of a table.
    pub(super) fn show(&self, table: &mut Table) {
        table.row("orders", self.orders);
        table.row("accepted/s", format!("{:.0}", self.accepted_rate()));
        table.row("paid/s", format!("{:.0}", self.paid_rate()));
        let times = [("accept", &self.to_accept), ("accepted to paid", &self.to_paid)];
        for (what, times) in times {
            for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
                table.row(&format!("{what} {name}"), times.below(share));
            }
        }
        table.row("calls repeated", self.repeats);
    }

    fn add(&mut self, fired: &Fired, accepting: Duration, paying: Duration) {
        self.orders += fired.accepted as u64;
        self.accepting += accepting;
        self.paying += paying;
        self.repeats += fired.repeats;
        self.to_accept.extend(&fired.times);
    }
}

/// Runs for so many seconds of checkouts.
pub(super) async fn run(arena: &mut Arena, buyers: u32, seconds: u64) -> Result<Run> {
    let mut run = Run {
        orders: 0,
        accepting: Duration::ZERO,
        paying: Duration::ZERO,
        to_accept: Times::default(),
        to_paid: Times::default(),
        repeats: 0,
    };
    let wanted = Duration::from_secs(seconds);
    round(arena, buyers, WARM_UP, wanted).await?;
    while run.accepting < wanted {
        let count = arena.carts.len();
        let (fired, accepting, paying) =
            round(arena, buyers, count, wanted.saturating_sub(run.accepting)).await?;
        run.add(&fired, accepting, paying);
        sample(arena, &fired, &mut run.to_paid).await?;
    }
    Ok(run)
}

/// Fills carts, checks them out, and waits until all is paid: how long both took.
async fn round(
    arena: &mut Arena,
    buyers: u32,
    count: usize,
    limit: Duration,
) -> Result<(Fired, Duration, Duration)> {
    let count = count.min(arena.carts.len());
    arena.fill(count).await?;
    let tokens: Vec<Arc<str>> = arena.carts[..count].iter().map(|c| c.account.token()).collect();
    arena.rounds += 1;
    let started = Instant::now();
    let address = arena.client.address().clone();
    let round = Round::new(address, tokens, arena.rounds, started + limit);
    let line = || format!("Checkouts: {:.0} s", started.elapsed().as_secs_f64());
    let fired = live::show(line, round.fire(buyers)).await??;
    let accepting = started.elapsed();
    for cart in &mut arena.carts[..fired.accepted] {
        for product in cart.lines.take().into_iter().flatten() {
            arena.ordered[product] += 1;
        }
    }
    live::show(|| "Waiting until all is paid".to_owned(), settle(arena)).await??;
    Ok((fired, accepting, started.elapsed()))
}

async fn settle(arena: &Arena) -> Result<()> {
    let deadline = Instant::now() + STUCK;
    while !arena.is_settled().await? {
        if Instant::now() > deadline {
            bail!("orders are still not paid after {} s", STUCK.as_secs());
        }
        sleep(POLL).await;
    }
    Ok(())
}

async fn sample(arena: &Arena, fired: &Fired, to_paid: &mut Times) -> Result<()> {
    for (place, path) in &fired.sample {
        let order: Order = arena.carts[*place].account.ask(Request::new("GET", path)).await?;
        let Some(seconds) = order.time_to_paid() else {
            bail!("order {} was accepted and is {}", order.id, order.status);
        };
        to_paid.add(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

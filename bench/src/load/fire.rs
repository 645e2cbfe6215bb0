//! The measured part: buyers side by side, each with its next cart as soon as the last is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Address, Connection, Request};
use crate::times::Times;

const BODY: &str = r#"{"payment_method":"tok_approve"}"#;
const ONE_CALL: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
// One order in so many is looked at afterwards.
const SAMPLED: usize = 20;

/// The filled carts of a round, by the tokens of their owners.
#[derive(Debug)]
pub(super) struct Round {
    /// The API.
    pub(super) address: Address,
    /// Whose carts, in the order in which they are checked out.
    pub(super) tokens: Vec<Arc<str>>,
    /// Distinguishes this round's keys.
    pub(super) number: u64,
    /// When no more checkouts are sent.
    pub(super) until: Instant,
    next: AtomicUsize,
    repeats: AtomicU64,
}

/// What a round came to.
#[derive(Debug)]
pub(super) struct Fired {
    /// The carts whose checkouts were accepted, by place: the first so many.
    pub(super) accepted: usize,
    /// How long each took to be accepted.
    pub(super) times: Times,
    /// Some of the orders: the cart's place, the path of the order.
    pub(super) sample: Vec<(usize, String)>,
    /// Checkouts sent again for want of an answer.
    pub(super) repeats: u64,
}

impl Round {
    /// A round that nobody has begun.
    pub(super) fn new(
        address: Address,
        tokens: Vec<Arc<str>>,
        number: u64,
        until: Instant,
    ) -> Self {
        let (next, repeats) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { address, tokens, number, until, next, repeats }
    }

    /// Lets the buyers check out until the carts or the time are used up.
    pub(super) async fn fire(self, buyers: u32) -> Result<Fired> {
        let round = Arc::new(self);
        let mut side_by_side = JoinSet::new();
        for _ in 0..buyers {
            side_by_side.spawn(buy(Arc::clone(&round)));
        }
        let mut times = Times::default();
        let mut sample = Vec::new();
        for bought in side_by_side.join_all().await {
            let (of_buyer, some) = bought?;
            times.extend(&of_buyer);
            sample.extend(some);
        }
        let accepted = usize::try_from(times.count())?;
        Ok(Fired { accepted, times, sample, repeats: round.repeats.load(Ordering::Relaxed) })
    }
}

async fn buy(round: Arc<Round>) -> Result<(Times, Vec<(usize, String)>)> {
    let mut connection = Connection::new(round.address.clone());
    let mut times = Times::default();
    let mut sample = Vec::new();
    // Whoever takes a place sends it, so that the accepted carts are the first ones without a gap.
    while Instant::now() < round.until {
        let place = round.next.fetch_add(1, Ordering::Relaxed);
        let Some(token) = round.tokens.get(place) else { break };
        let key = format!("load-{}-{place}", round.number);
        let request = Request::json("POST", "/v1/checkout", BODY).by(token).keyed(&key);
        let started = Instant::now();
        let location = check_out(&mut connection, &request, &round).await?;
        times.add(started.elapsed());
        if place.is_multiple_of(SAMPLED) {
            sample.push((place, location));
        }
    }
    Ok((times, sample))
}

async fn check_out(
    connection: &mut Connection,
    request: &Request<'_>,
    round: &Round,
) -> Result<String> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match timeout(ONE_CALL, connection.call(request)).await {
            Ok(Ok(answer)) if answer.status == 202 => {
                return answer.location.context("a 202 without a Location");
            }
            Ok(Ok(answer)) if answer.status != 503 => {
                let words = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("a checkout was answered {}: {words}", answer.status);
            }
            _ if Instant::now() > deadline => bail!("a checkout was not answered for a minute"),
            _ => {
                round.repeats.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        }
    }
}

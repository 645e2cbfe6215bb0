//! A process that stands still past every limit, in the middle of something, and then goes on.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_common::id::OwnerId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::gateway;
use super::point::{Place, member, nth, victims};
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::FREEZE_AT;

/// Where it stands still.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// At a crash point: with a transaction open, or before or after a call.
    At(&'static str),
    /// While the gateway is at work on a charge.
    InCharge,
    /// Wherever it happens to be.
    Any,
}

/// Workers and APIs in turn, the two that matter most first.
const MOMENTS: [Moment; 9] = [
    Moment::At("reserve.before_commit"),
    Moment::InCharge,
    Moment::At("accept.before_commit"),
    Moment::At("settle.before_commit"),
    Moment::At("ask.before_commit"),
    Moment::At("charge.after_call"),
    Moment::At("move.before_commit"),
    Moment::Any,
    Moment::At("charge.before_call"),
];
/// Longer than a lease, an idle session, a unit of work, the broker's heartbeats and the hold of a delivery.
const FROZEN: Duration = Duration::from_secs(75);
const REACHED_WITHIN: Duration = Duration::from_secs(40);
/// How old a payment is whose charge is under way while the gateway is late: asked for, and not answered.
const ASKED_FOR: Duration = Duration::from_millis(200);
const UNANSWERED: Duration = Duration::from_millis(1_200);

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario::new(
        "freeze",
        "A process is stopped (SIGSTOP) for 75 s, and goes on: a worker inside a reserve or a settle transaction, in \
         or around a charge or anywhere, an API inside a checkout, a cancellation or a move. Recovered: what it held \
         is settled elsewhere.",
        (24, 1),
        act,
    )
    .lasting(30)]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.breaks();
        let place = match MOMENTS[usize::try_from(trial - 1)? % MOMENTS.len()] {
            Moment::At(point) => {
                let (place, nth) = (victims(scene, point)[0], nth(scene, point));
                freeze_at(scene, place, point, nth).await?;
                place
            }
            Moment::InCharge => freeze_in_charge(scene).await?,
            Moment::Any => {
                scene.go_on(100, 1_000).await;
                let place = Place::Worker(scene.some_worker());
                member(scene, place).freeze();
                place
            }
        };
        // What it holds is taken from it within seconds, and who comes later misses nothing.
        scene.heals();
        let frozen = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, frozen).await?;
        sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
        scene.breaks();
        member(scene, place).thaw();
        block_in_place(|| member(scene, place).wait())?;
        scene.heals();
        Ok(Trial::recovered(took))
    })
}

/// Stops a worker, again and again, until it stands still with a charge under way; answers which.
async fn freeze_in_charge(scene: &mut Scene<'_>) -> Result<Place> {
    let number = scene.some_worker();
    let owner = scene.stage.workers[number].owner().context("a worker without a name")?;
    let place = Place::Worker(number);
    gateway::behave(scene, gateway::LATE).await?;
    let late = Instant::now();
    loop {
        sleep(ASKED_FOR).await;
        member(scene, place).freeze();
        if charges(scene, owner, late.elapsed()).await? > 0 {
            break;
        }
        member(scene, place).thaw();
        ensure!(late.elapsed() < scene.patience(REACHED_WITHIN), "no charge was ever under way");
    }
    gateway::behave(scene, "{}").await?;
    Ok(place)
}

/// How many charges this worker waits for, of payments that were made since the gateway became late and that it
/// would answer at once otherwise.
async fn charges(scene: &Scene<'_>, owner: OwnerId, late: Duration) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select cast(count(*) as signed) \
         from payments \
         where wake_at is not null and owner = ? and status = 'pending' and attempts = 0 \
           and (method = 'tok_approve' or method like 'tok_decline%') \
           and created_at > now(6) - interval ? microsecond \
           and created_at < now(6) - interval ? microsecond",
    )
    .bind(owner)
    .bind(i64::try_from(late.min(UNANSWERED).as_micros())?)
    .bind(i64::try_from(ASKED_FOR.as_micros())?)
    .fetch_one(scene.stage.db.pool())
    .await?)
}

/// Starts the process again and answers once it stands still where it was told to.
pub(super) async fn freeze_at(
    scene: &mut Scene<'_>,
    place: Place,
    point: &str,
    nth: u64,
) -> Result<()> {
    let arm = [(FREEZE_AT, format!("{point}:{nth}"))];
    block_in_place(|| member(scene, place).start_with(&arm))?;
    let armed = Instant::now();
    while !member(scene, place).is_frozen() {
        if armed.elapsed() > scene.patience(REACHED_WITHIN) {
            bail!("{point} was never reached");
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

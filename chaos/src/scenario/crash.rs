//! A process aborts at a named place: on both sides of each commit, publish, confirm, delete, charge, void
//! and ack. A point that is not hit fails the trial.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::broker::{Envelope, Kind, Queue};
use ordermill_common::crash::POINTS;
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::message::poison;
use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::{Member, Plan};

const VARIABLE: &str = "ORDERMILL_CRASH_AT";
const HIT_WITHIN: Duration = Duration::from_secs(40);
/// Long before a forgotten order would wake by itself.
const LONGEST: Duration = Duration::from_secs(25);
const TRIALS_A_POINT: u32 = 25;

pub(super) fn all() -> Vec<Scenario> {
    let points = u32::try_from(POINTS.len()).unwrap_or(u32::MAX);
    vec![Scenario { plan: || Plan { workers: 2, ..Plan::default() },
mood: || Mood { cancels: 30, ..Mood::default() },
 ..Scenario::new("crash-points", "A process aborts at a crash point, all points in turn. Recovered: every order that could be settled \
                at once and was not is settled.", (points * TRIALS_A_POINT, points), act).recovers_within(2) }]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let place = usize::try_from(trial - 1)? % POINTS.len();
        let point = POINTS[place].0;
        let nth = scene.dice.between(1, if is_rare(point) { 2 } else { 12 });
        let arm = [(VARIABLE, format!("{point}:{nth}"))];
        let places = victims(scene, point);
        for place in &places {
            let member = member(scene, *place);
            block_in_place(|| {
                member.start_with(&arm)?;
                // It may be dead before it was ready.
                member.wait().or_else(|error| if member.is_alive() { Err(error) } else { Ok(()) })
            })?;
        }
        let armed = Instant::now();
        while places.iter().all(|place| member(scene, *place).is_alive()) {
            if armed.elapsed() > HIT_WITHIN {
                bail!("the crash point {point}:{nth} was never hit");
            }
            stimulate(scene, point).await?;
            sleep(Duration::from_millis(20)).await;
        }
        let died = Instant::now();
        let open = scene.prompt_orders().await?;
        for place in &places {
            block_in_place(|| member(scene, *place).start_with(&[]))?;
        }
        let took = scene.until_settled(&open, died).await.with_context(|| point.to_owned())?;
        ensure!(took.is_none_or(|took| took < LONGEST), "{point}: orders waited {took:?}");
        for place in &places {
            block_in_place(|| member(scene, *place).wait())?;
        }
        Ok(Trial::recovered(took))
    })
}

/// Whose code the point is in.
#[derive(Debug, Clone, Copy)]
enum Place {
    Api(usize),
    Worker(usize),
}

fn member<'a>(scene: &'a mut Scene<'_>, place: Place) -> &'a mut Member {
    match place {
        Place::Api(number) => &mut scene.stage.apis[number],
        Place::Worker(number) => &mut scene.stage.workers[number],
    }
}

/// Who is armed: one process that passes the point often, or all that may be the one to pass it.
fn victims(scene: &mut Scene<'_>, point: &str) -> Vec<Place> {
    let room = point.split('.').next().unwrap_or_default();
    match room {
        "accept" | "cart" | "ask" | "move" | "redrive" => vec![Place::Api(scene.some_api())],
        "relay" if point != "relay.after_claim" && scene.dice.percent(50) => {
            vec![Place::Api(scene.some_api())]
        }
        // Of the workers only the one that sweeps publishes, and which that is changes.
        "sweep" | "dead" | "relay" => (0..scene.stage.workers.len()).map(Place::Worker).collect(),
        _ => vec![Place::Worker(scene.some_worker())],
    }
}

fn is_rare(point: &str) -> bool {
    ["ask", "move", "redrive", "cancel", "void", "sweep", "dead", "relay"]
        .contains(&point.split('.').next().unwrap_or_default())
}

/// Makes happen what the load alone does not do often enough.
async fn stimulate(scene: &mut Scene<'_>, point: &str) -> Result<()> {
    match point.split('.').next().unwrap_or_default() {
        "dead" => {
            poison(scene, Queue::Checkout, b"not a message").await?;
            sleep(Duration::from_millis(200)).await;
        }
        "redrive" => redrive(scene).await?,
        "sweep" | "relay" if point != "relay.after_claim" => {
            // Waking early is always allowed.
            let due = "update payments set wake_at = now(6) where wake_at is not null limit 5";
            let _ = sqlx::query(due).execute(scene.stage.db.pool()).await;
            sleep(Duration::from_millis(200)).await;
        }
        "relay" if point == "relay.after_claim" => {
            // A row whose owner let its lease run out, of an order that has ended.
            let row = "insert into outbox (id, kind, order_id, request_id, owner, lease_until, created_at) \
                select unhex(replace(uuid(), '-', '')), 'order.checkout.v1', order_id, request_id, order_id, \
                  now(6) - interval 1 second, now(6) \
                from checkouts where consumed_at is not null limit 1";
            let _ = sqlx::query(row).execute(scene.stage.db.pool()).await;
            sleep(Duration::from_millis(500)).await;
        }
        _ => {}
    }
    Ok(())
}

/// Sends again a dead letter of an order that nobody knows; it comes back.
async fn redrive(scene: &mut Scene<'_>) -> Result<()> {
    let clerk = &mut scene.crowd.clerk;
    let list = Request::new("GET", "/v1/admin/dead-letters?state=open&limit=50");
    let letters = clerk.ask("list letters", "", &list).await?;
    let open = letters.body["data"].as_array().cloned().unwrap_or_default();
    let known = open.iter().find(|letter| letter["kind"] == Kind::OrderCheckoutV1.as_str());
    if let Some(id) = known.and_then(|letter| letter["id"].as_str()) {
        let path = format!("/v1/admin/dead-letters/{id}/redrive");
        let _ = clerk.once("redrive", id, &Request::new("POST", &path)).await;
        return Ok(());
    }
    let id = MessageId::mint();
    let nobody = Envelope::new(id, Kind::OrderCheckoutV1, OrderId::mint(), RequestId::mint());
    scene.expected.poison.push(id.to_string());
    scene.expected.errors.push("no checkout for this message");
    scene.expected.errors.push("parked a dead letter");
    scene.stage.channels()?.publish(&nobody).await?;
    sleep(Duration::from_millis(300)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ordermill_common::crash::POINTS;

    #[test]
    fn every_crash_point_is_among_the_documented_ones() {
        let document = xtask::binaries::root().join("docs/guarantees.md");
        let text = std::fs::read_to_string(document).unwrap();
        for (point, what) in POINTS {
            assert!(text.contains(&format!("| `{point}` | {what} |")), "{point}");
        }
    }
}

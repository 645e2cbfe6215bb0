//! A named place in the code: whose it is, and what makes it happen often enough.

use std::time::Duration;

use anyhow::Result;
use ordermill_bench::http::Request;
use ordermill_common::broker::{Kind, Queue};
use tokio::time::sleep;

use super::message::{of_nobody, poison};
use crate::scene::Scene;
use crate::stage::Member;

/// Whose code the point is in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Api(usize),
    Worker(usize),
}

pub(super) fn member<'a>(scene: &'a mut Scene<'_>, place: Place) -> &'a mut Member {
    match place {
        Place::Api(number) => &mut scene.stage.apis[number],
        Place::Worker(number) => &mut scene.stage.workers[number],
    }
}

/// Who is armed: one process that passes the point often, or all that may be the one to pass it.
pub(super) fn victims(scene: &mut Scene<'_>, point: &str) -> Vec<Place> {
    let room = point.split('.').next().unwrap_or_default();
    match room {
        "accept" | "cart" | "ask" | "move" | "redrive" | "unit" => {
            vec![Place::Api(scene.some_api())]
        }
        // Whoever looks first takes what is expired.
        "relay" if point == "relay.after_claim" => [apis(scene), workers(scene)].concat(),
        "relay" if scene.dice.percent(50) => vec![Place::Api(scene.some_api())],
        // Of the workers only the one that sweeps publishes, and which that is changes.
        "sweep" | "dead" | "relay" => workers(scene),
        _ => vec![Place::Worker(scene.some_worker())],
    }
}

fn apis(scene: &Scene<'_>) -> Vec<Place> {
    (0..scene.stage.apis.len()).map(Place::Api).collect()
}

fn workers(scene: &Scene<'_>) -> Vec<Place> {
    (0..scene.stage.workers.len()).map(Place::Worker).collect()
}

/// Which of its times counts.
pub(super) fn nth(scene: &mut Scene<'_>, point: &str) -> u64 {
    let room = point.split('.').next().unwrap_or_default();
    let is_rare = ["ask", "move", "redrive", "cancel", "void", "sweep", "dead", "relay", "unit"];
    scene.dice.between(1, if is_rare.contains(&room) { 2 } else { 12 })
}

/// Makes happen what the load alone does not do often enough.
pub(super) async fn stimulate(scene: &mut Scene<'_>, point: &str) -> Result<()> {
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
    of_nobody(scene, Kind::OrderCheckoutV1).await?;
    sleep(Duration::from_millis(300)).await;
    Ok(())
}

//! Cancellations that meet each stage while it is under way, and an administrator's move.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::id::OrderId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::freeze::freeze_at;
use super::point::Place;
use crate::crowd::{Crowd, Mood};
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Sight;

/// Where the worker stands still while the wishes arrive: before and after each commit and each call.
const POINTS: [&str; 10] = [
    "reserve.before_commit",
    "reserve.after_commit",
    "charge.before_call",
    "charge.after_call",
    "settle.before_commit",
    "settle.after_commit",
    "cancel.before_commit",
    "cancel.after_commit",
    "void.before_call",
    "void.after_call",
];
/// Where what it holds is known, and is neither paid nor cancelled yet.
const IN_HAND: [&str; 2] = ["charge.before_call", "charge.after_call"];
/// Orders that are asked for at once.
const WISHES: usize = 12;

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        mood: || Mood { cancels: 40, ..Mood::default() },
        ..Scenario::new(
            "cancel-race",
            "A worker stands still before or after a commit or a call; meanwhile what it has in hand and other open \
             orders are to be cancelled, and paid ones are to be packed and cancelled at the same time. Then it goes \
             on, every other round while the wishes are still being asked.",
            (100, 10),
            act,
        )
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()];
        let number = scene.some_worker();
        let nth = scene.dice.between(1, 4);
        freeze_at(scene, Place::Worker(number), point, nth).await?;
        let owner = scene.stage.workers[number].owner().context("a worker without a name")?;
        let held = Sight::leased_by(&scene.stage.db, owner).await?;
        let open = scene.prompt_orders().await?;
        // What it reserves is nobody's yet, and may have any payment method.
        let unpaid = Sight::open_orders(&scene.stage.db).await?;
        let any = held.iter().chain(&open).chain(&unpaid);
        let asked: BTreeSet<OrderId> = any.take(WISHES).copied().collect();
        // A wish may wait for what the worker has locked, and meets its commit only if that comes.
        let round = (trial - 1) / u32::try_from(POINTS.len())?;
        let is_patient = round.is_multiple_of(2);
        let head_start = Duration::from_millis(scene.dice.between(50, 1_500));
        let Scene { stage, crowd, .. } = scene;
        let worker = &mut stage.workers[number];
        let (wished, others) = if is_patient {
            wish(crowd, &asked).await?
        } else {
            let going_on = async {
                sleep(head_start).await;
                worker.thaw();
            };
            tokio::join!(wish(crowd, &asked), going_on).0?
        };
        let faults = u32::try_from(wished.len())? + others;
        ensure!(faults > 0, "{point}: no wish was taken");
        ensure!(
            held.iter().any(|order| wished.contains(order)) || !IN_HAND.contains(&point),
            "{point}: what it has in hand was not asked for"
        );
        worker.thaw();
        scene.heals();
        let thawed = Instant::now();
        let took = scene.until_settled(&open, thawed).await?;
        block_in_place(|| scene.stage.workers[number].wait())?;
        Ok(Trial { faults, recovery: took })
    })
}

/// Answers which of these orders' wishes were taken, and how many of others that are paid.
async fn wish(crowd: &mut Crowd, orders: &BTreeSet<OrderId>) -> Result<(BTreeSet<OrderId>, u32)> {
    let mut taken = BTreeSet::new();
    for id in orders {
        let order = id.to_string();
        let path = format!("/v1/admin/orders/{order}/cancel");
        let reply = crowd.clerk.ask("race", &order, &Request::new("POST", &path)).await?;
        crowd.testimony.wished(&order, reply.status);
        if reply.is_ok() {
            taken.insert(*id);
        }
    }
    Ok((taken, pack_and_cancel(crowd).await?))
}

/// Asks for both at once, of some orders that are paid; answers how many of these wishes were taken.
async fn pack_and_cancel(crowd: &mut Crowd) -> Result<u32> {
    let clerk = &mut crowd.clerk;
    let list = Request::new("GET", "/v1/admin/orders?status=paid&limit=4");
    let paid = clerk.ask("list orders", "paid", &list).await?;
    let mut taken = 0;
    for order in paid.body["data"].as_array().into_iter().flatten() {
        let order = order["id"].as_str().unwrap_or_default();
        let cancel = format!("/v1/admin/orders/{order}/cancel");
        let pack = format!("/v1/admin/orders/{order}/status");
        let cancel = Request::new("POST", &cancel);
        let pack = Request::json("POST", &pack, "{\"status\":\"packed\"}");
        let [cancelled, packed] =
            clerk.both(order, [("race to cancel", &cancel), ("race to pack", &pack)]).await;
        if let Some(reply) = cancelled {
            taken += u32::from(reply.is_ok());
            crowd.testimony.wished(order, reply.status);
        }
        if packed.is_some_and(|reply| reply.is_ok()) {
            crowd.testimony.moved(order, "packed");
        }
    }
    Ok(taken)
}

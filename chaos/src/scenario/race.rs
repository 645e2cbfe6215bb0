//! Cancellations that meet each stage while it is under way, and an administrator's move.

use anyhow::Result;
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::freeze::freeze_at;
use super::point::{Place, member};
use crate::crowd::Mood;
use crate::scene::{Scenario, Scene, Trial};

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
/// Orders that are asked for at once.
const WISHES: usize = 12;

pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        mood: || Mood { cancels: 40, ..Mood::default() },
        ..Scenario::new(
            "cancel-race",
            "A worker stands still before or after a commit or a call; meanwhile every open order is to be cancelled, \
             and paid ones are to be packed and cancelled at the same time. Then it goes on.",
            (100, 10),
            act,
        )
    }]
}

fn act<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let point = POINTS[usize::try_from(trial - 1)? % POINTS.len()];
        let worker = Place::Worker(scene.some_worker());
        let nth = scene.dice.between(1, 4);
        freeze_at(scene, worker, point, nth).await?;
        let open = scene.prompt_orders().await?;
        let mut faults = 0;
        for order in open.iter().take(WISHES) {
            faults += cancel(scene, &order.to_string()).await?;
        }
        faults += pack_and_cancel(scene).await?;
        member(scene, worker).thaw();
        let thawed = Instant::now();
        let took = scene.until_settled(&open, thawed).await?;
        block_in_place(|| member(scene, worker).wait())?;
        Ok(Trial { faults, recovery: took })
    })
}

/// Answers how many wishes were taken.
async fn cancel(scene: &mut Scene<'_>, order: &str) -> Result<u32> {
    let path = format!("/v1/admin/orders/{order}/cancel");
    let reply = scene.crowd.clerk.ask("race", order, &Request::new("POST", &path)).await?;
    scene.crowd.testimony.wished(order, reply.status);
    Ok(u32::from(reply.is_ok()))
}

/// Asks for both at once, of some orders that are paid; answers how many of these wishes were taken.
async fn pack_and_cancel(scene: &mut Scene<'_>) -> Result<u32> {
    let clerk = &mut scene.crowd.clerk;
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
            scene.crowd.testimony.wished(order, reply.status);
        }
        if packed.is_some_and(|reply| reply.is_ok()) {
            scene.crowd.testimony.moved(order, "packed");
        }
    }
    Ok(taken)
}

//! Orders for which everything fails for good. They end all the same, and stop no other.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::broker::{Envelope, Kind, Queue};
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::message::poison;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Sight;

/// An order whose gateway never answers is given up after half a minute, or five calls.
const ENDED_WITHIN: Duration = Duration::from_mins(1);
const VICTIMS: usize = 3;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "hopeless-order",
            "One order cannot be read, a second is to be cancelled as well, the payment of a third is never answered, \
             all have too many messages, and poison is among these; the others go on. Recovered: all others are settled.",
            (10, 1),
            act,
        )
        .lasting(30),
    ]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.extend(["fails for good", "snapshot cannot be read"]);
        for worker in &mut scene.stage.workers {
            worker.kill();
        }
        let victims = victims(scene).await?;
        let [unreadable, cancelled, unanswered] = victims[..] else { bail!("a victim is missing") };
        for order in [unreadable, cancelled] {
            change(
                scene,
                "update checkouts set `lines` = '{\"what\": 1}' where order_id = ?",
                order,
            )
            .await?;
            scene.expected.broken.push(order.to_string());
        }
        let method = "update checkouts set payment_method = 'tok_timeout' where order_id = ?";
        change(scene, method, unanswered).await?;
        let path = format!("/v1/admin/orders/{cancelled}/cancel");
        let wish = Request::new("POST", &path);
        let reply = scene.crowd.clerk.ask("cancel", &cancelled.to_string(), &wish).await?;
        ensure!(reply.is_ok(), "{cancelled} was not to be cancelled: {}", reply.body);
        for order in &victims {
            wake(scene, *order).await?;
            poison(scene, Queue::Checkout, b"{\"order\": null}").await?;
        }
        let mut open = scene.prompt_orders().await?;
        open.retain(|order| !victims.contains(order));
        block_in_place(|| {
            scene.stage.workers.iter_mut().try_for_each(|worker| worker.start_with(&[]))
        })?;
        let started = Instant::now();
        let took = scene.until_settled(&open, started).await?;
        Sight::until_settled(&scene.stage.db, &victims, started, ENDED_WITHIN).await?;
        ends(scene, unreadable, &["internal"]).await?;
        // Whichever was handled first.
        ends(scene, cancelled, &["internal", "cancelled"]).await?;
        ends(scene, unanswered, &["gateway_unavailable", "cancelled"]).await?;
        Ok(Trial { faults: u32::try_from(VICTIMS)?, recovery: took })
    })
}

/// Orders that wait for a worker.
async fn victims(scene: &Scene<'_>) -> Result<Vec<OrderId>> {
    let started = Instant::now();
    let waiting = "select c.order_id from checkouts c \
         left join cancellations x on x.order_id = c.order_id \
         where c.wake_at is not null and c.consumed_at is null and x.order_id is null limit 3";
    while started.elapsed() < Duration::from_secs(30) {
        let orders: Vec<OrderId> =
            sqlx::query_scalar(waiting).fetch_all(scene.stage.db.pool()).await?;
        if orders.len() == VICTIMS {
            return Ok(orders);
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!("too few ordered anything")
}

async fn change(scene: &Scene<'_>, update: &'static str, order: OrderId) -> Result<()> {
    sqlx::query(update).bind(order).execute(scene.stage.db.pool()).await?;
    Ok(())
}

/// Messages of both kinds, as if they had been sent again and again.
async fn wake(scene: &Scene<'_>, order: OrderId) -> Result<()> {
    let channels = scene.stage.channels()?;
    for _ in 0..5 {
        let (id, request) = (MessageId::mint(), RequestId::mint());
        channels.publish(&Envelope::new(id, Kind::OrderCheckoutV1, order, request)).await?;
    }
    Ok(())
}

async fn ends(scene: &Scene<'_>, order: OrderId, reasons: &[&str]) -> Result<()> {
    let end: Option<(String, Option<String>)> =
        sqlx::query_as("select status, reason from orders where id = ?")
            .bind(order)
            .fetch_optional(scene.stage.db.pool())
            .await?;
    let (status, reason) = end.with_context(|| format!("{order} has no end"))?;
    let is_meant = |word: &str| reasons.contains(&word);
    ensure!(
        is_meant(&status) || reason.as_deref().is_some_and(is_meant),
        "{order} ended {status} for {reason:?}"
    );
    Ok(())
}

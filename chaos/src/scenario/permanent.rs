//! Orders for which everything fails for good. They end all the same, and stop no other.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_bench::http::Request;
use ordermill_common::broker::{Envelope, Kind};
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
const UNREADABLE: &str = "update checkouts set `lines` = '{\"what\": 1}' where order_id = ?";
/// Of one that cannot be read it is never asked for.
const UNANSWERED: &str = "update checkouts set payment_method = 'tok_timeout' where order_id = ?";

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "hopeless-order",
            "One order cannot be read, the payment of a second is never answered, a third has both faults and is to be \
             cancelled as well; all have too many messages and poison among these. Recovered: all others are settled.",
            (10, 1),
            act,
        )
        .lasting(30),
    ]
}

fn act<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.expected.errors.extend(["fails for good", "snapshot cannot be read"]);
        scene.breaks();
        for worker in &mut scene.stage.workers {
            worker.kill();
        }
        // What they sent last is written by now, or never.
        scene.go_on(300, 500).await;
        let victims = victims(scene).await?;
        let [unreadable, unanswered, hopeless] = victims[..] else { bail!("a victim is missing") };
        for order in [unreadable, hopeless] {
            change(scene, UNREADABLE, order).await?;
            scene.expected.broken.push(order.to_string());
        }
        for order in [unanswered, hopeless] {
            change(scene, UNANSWERED, order).await?;
        }
        cancel(scene, hopeless).await?;
        let all = victims.iter().map(|order| (Kind::OrderCheckoutV1, *order));
        for (kind, order) in all.chain([(Kind::OrderCancelV1, hopeless)]) {
            wake(scene, kind, order).await?;
            let poisoned = format!("{{\"kind\":\"order.checkout.v9\",\"order_id\":\"{order}\"}}");
            poison(scene, kind.queue(), poisoned.as_bytes()).await?;
        }
        let mut open = scene.prompt_orders().await?;
        open.retain(|order| !victims.contains(order));
        block_in_place(|| {
            scene.stage.workers.iter_mut().try_for_each(|worker| worker.start_with(&[]))
        })?;
        // But for the victims.
        scene.heals();
        let started = Instant::now();
        let took = scene.until_settled(&open, started).await?;
        Sight::until_settled(&scene.stage.db, &victims, started, ENDED_WITHIN).await?;
        for order in [unreadable, hopeless] {
            ends(scene, order, &["internal"]).await?;
        }
        // Its buyer may have a wish, and may be first.
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

async fn cancel(scene: &mut Scene<'_>, order: OrderId) -> Result<()> {
    let (order, path) = (order.to_string(), format!("/v1/admin/orders/{order}/cancel"));
    let reply = scene.crowd.clerk.ask("cancel", &order, &Request::new("POST", &path)).await?;
    ensure!(reply.is_ok(), "{order} was not to be cancelled: {}", reply.body);
    scene.crowd.testimony.wished(&order, reply.status);
    Ok(())
}

/// Messages as if it had been sent again and again.
async fn wake(scene: &Scene<'_>, kind: Kind, order: OrderId) -> Result<()> {
    let channels = scene.stage.channels()?;
    for _ in 0..5 {
        let (id, request) = (MessageId::mint(), RequestId::mint());
        channels.publish(&Envelope::new(id, kind, order, request)).await?;
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

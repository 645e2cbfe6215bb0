//! Messages that come twice, out of order, too late, or that nobody can understand.

use anyhow::{Result, bail, ensure};
use futures::future::BoxFuture;
use ordermill_common::broker::{Envelope, Kind, Outcome, Queue};
use ordermill_common::id::{MessageId, OrderId};
use ordermill_common::trace::RequestId;
use tokio::time::Instant;

use crate::scene::{Scenario, Scene, Trial};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "duplicates",
            "Messages of known orders come two to five times more, in any order, also of orders that have \
                    ended long ago.",
            (200, 5),
            duplicates,
        )
        .lasting(0),
        Scenario::new(
            "poison",
            "Bad JSON, unknown kinds and versions, bodies far too large, orders that nobody knows, among good \
                    messages.",
            (100, 5),
            mixed_poison,
        )
        .lasting(0),
    ]
}

fn duplicates<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 600).await;
        let orders: Vec<(OrderId, bool)> = sqlx::query_as(
            "select c.order_id, x.order_id is not null \
             from checkouts c \
             left join cancellations x on x.order_id = c.order_id \
             order by rand(?) \
             limit 40",
        )
        .bind(scene.dice.between(0, 1 << 31))
        .fetch_all(scene.stage.db.pool())
        .await?;
        let mut messages = Vec::new();
        for (order, cancelled) in orders {
            for _ in 0..scene.dice.between(2, 5) {
                let wanted = cancelled && scene.dice.percent(50);
                let kind = if wanted { Kind::OrderCancelV1 } else { Kind::OrderCheckoutV1 };
                messages.push(Envelope::new(MessageId::mint(), kind, order, RequestId::mint()));
            }
        }
        let channels = scene.stage.channels()?;
        let mut sent = 0;
        while !messages.is_empty() {
            let place = scene.dice.below(messages.len());
            let message = messages.swap_remove(place);
            if channels.publish(&message).await? == Outcome::Confirmed {
                sent += 1;
            }
        }
        ensure!(sent > 0, "no message came twice");
        scene.heals();
        Ok(Trial { faults: sent, recovery: None })
    })
}

fn mixed_poison<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 600).await;
        let (message, order) = (MessageId::mint(), OrderId::mint());
        let future = format!(
            "{{\"kind\":\"order.checkout.v9\",\"id\":\"{message}\",\"order_id\":\"{order}\"}}"
        );
        let large = vec![b'x'; 1 << 20];
        let bodies: [&[u8]; 5] = [b"", b"not JSON", b"{}", future.as_bytes(), &large];
        for body in bodies {
            let queue = *scene.dice.pick(&[Queue::Checkout, Queue::Cancel]);
            poison(scene, queue, body).await?;
        }
        for kind in [Kind::OrderCheckoutV1, Kind::OrderCancelV1] {
            of_nobody(scene, kind).await?;
        }
        scene.heals();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, Instant::now()).await?;
        Ok(Trial { faults: 7, recovery: took })
    })
}

/// Sends a message about an order that nobody knows, and expects it among the dead letters.
pub(super) async fn of_nobody(scene: &mut Scene<'_>, kind: Kind) -> Result<()> {
    let id = MessageId::mint();
    let nobody = Envelope::new(id, kind, OrderId::mint(), RequestId::mint());
    scene.expected.errors.extend(["for this message", "parked a dead letter"]);
    match scene.stage.channels()?.publish(&nobody).await? {
        Outcome::Confirmed => scene.expected.poison.push(id.to_string()),
        other => bail!("the message was not taken: {other:?}"),
    }
    Ok(())
}

/// Sends a body that nobody can understand, and expects it among the dead letters.
pub(super) async fn poison(scene: &mut Scene<'_>, queue: Queue, body: &[u8]) -> Result<()> {
    let id = MessageId::mint().to_string();
    scene.expected.errors.extend(["a message that cannot be understood", "parked a dead letter"]);
    match scene.stage.channels()?.publish_raw(queue, &id, body).await? {
        Outcome::Confirmed => scene.expected.poison.push(id),
        other => bail!("the poison was not taken: {other:?}"),
    }
    Ok(())
}

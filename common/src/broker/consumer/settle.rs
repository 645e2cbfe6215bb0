//! A delivery in hand: its handler runs, then the broker is told what became of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, ShortString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ConsumerConfig, Delivery, Disposition};
use crate::broker::death::Death;
use crate::panic::caught;

const SETTLE: Duration = Duration::from_secs(10);

pub(super) struct Held {
    config: ConsumerConfig,
    delivery: lapin::message::Delivery,
    broken: CancellationToken,
    shutdown: CancellationToken,
}

impl Held {
    pub(super) fn new(
        config: ConsumerConfig,
        delivery: lapin::message::Delivery,
        broken: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        Self { config, delivery, broken, shutdown }
    }

    /// Runs the handler and settles. When the connection is gone there is nobody to tell: the broker
    /// hands the message out again, and every stage answers from what it reads.
    pub(super) async fn handle<H, F>(mut self, handler: Arc<H>)
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Disposition> + Send + 'static,
    {
        let delivery = self.take_delivery();
        let id = delivery.message_id.clone();
        let pause = pause(self.config.retry_pause, delivery.failed_before);
        let until = Instant::now() + self.config.hold;
        let handling = caught("handler of a delivery", async { handler(delivery).await });
        let disposition = match tokio::time::timeout_at(until, handling).await {
            Ok(Some(disposition)) => disposition,
            Ok(None) => {
                tracing::warn!(message.id = id, "its handler panicked; handing a delivery back");
                Disposition::Retry
            }
            Err(_late) => {
                tracing::warn!(
                    message.id = id,
                    "a delivery was held for too long; handing it back"
                );
                Disposition::Retry
            }
        };
        if disposition == Disposition::Retry {
            tokio::select! {
                () = tokio::time::sleep_until(until.min(Instant::now() + pause)) => {}
                () = self.shutdown.cancelled() => {}
                () = self.broken.cancelled() => {}
            }
        }
        let acker = &self.delivery.acker;
        let settling = async {
            match disposition {
                Disposition::Ack => {
                    crate::crash_point!("ack.before");
                    let written = acker.ack(BasicAckOptions::default()).await;
                    crate::crash_point!("ack.after");
                    written
                }
                Disposition::Retry => acker.reject(BasicRejectOptions { requeue: true }).await,
                Disposition::Dead => acker.reject(BasicRejectOptions { requeue: false }).await,
            }
        };
        // `false` means that the channel is gone.
        let settling = caught("settling of a delivery", settling);
        if !matches!(tokio::time::timeout(SETTLE, settling).await, Ok(Some(Ok(true)))) {
            tracing::debug!(message.id = id, ?disposition, "a delivery could not be settled");
            self.broken.cancel();
        }
    }

    fn take_delivery(&mut self) -> Delivery {
        let properties = &self.delivery.properties;
        let text = |field: &Option<ShortString>| field.as_ref().map(ToString::to_string);
        Delivery {
            queue: self.config.queue,
            message_id: text(properties.message_id()),
            kind: text(properties.kind()),
            request_id: text(properties.correlation_id()),
            redelivered: self.delivery.redelivered,
            failed_before: failed_before(properties),
            death: Death::read(properties),
            body: std::mem::take(&mut self.delivery.data),
        }
    }
}

/// Kept back and not handed straight back: a message must not use up its deliveries within a second.
fn pause(first: Duration, failed_before: u64) -> Duration {
    let doublings = u32::try_from(failed_before.min(5)).expect("at most five");
    (first * 2_u32.pow(doublings)).min(first * 30)
}

fn failed_before(properties: &lapin::BasicProperties) -> u64 {
    let headers = properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    match count {
        Some(AMQPValue::LongLongInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(AMQPValue::LongInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(AMQPValue::ShortShortUInt(count)) => u64::from(*count),
        Some(AMQPValue::ShortShortInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(AMQPValue::ShortInt(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_outlives_three_minutes_of_failures() {
        let first = Duration::from_secs(1);
        let pauses: Vec<u64> = (0..10).map(|failed| pause(first, failed).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
        assert!(pauses.iter().sum::<u64>() > 180);
    }
}

//! From a delivery to the pipeline: decode, enter the span that carries the order's story, hand on.

use ordermill_common::broker::{Delivery, Disposition, Envelope, Kind};
use tracing::Instrument as _;

use crate::pipeline::Pipeline;

/// Handles a delivery of the work queues. What cannot be decoded dies at once.
pub async fn handle(pipeline: Pipeline, delivery: Delivery) -> Disposition {
    let envelope = match Envelope::decode(&delivery.body) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::error!(
                queue = delivery.queue.base_name(),
                message.id = delivery.message_id,
                error = %error,
                "a message that cannot be understood"
            );
            return Disposition::Dead;
        }
    };
    let span = tracing::info_span!(
        "worker.order",
        message.kind = envelope.kind.as_str(),
        message.id = %envelope.id,
        order.id = %envelope.order_id,
        request_id = %envelope.request_id,
        redelivered = delivery.redelivered,
    );
    async move {
        match envelope.kind {
            Kind::OrderCheckoutV1 => {
                pipeline.checkout(envelope.order_id, &envelope.request_id).await
            }
            Kind::OrderCancelV1 => pipeline.cancel(envelope.order_id).await,
        }
    }
    .instrument(span)
    .await
}

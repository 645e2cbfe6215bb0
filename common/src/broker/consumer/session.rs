//! One connection's worth of consuming.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Event};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::settle::Held;
use super::{ConsumerConfig, Delivery, Disposition};
use crate::broker::connection::{Broker, Connection, close, close_channel, open_channel};
use crate::broker::error::{Error, Result, within};
use crate::broker::topology::{self, INTERNAL_ERROR};

const STEP: Duration = Duration::from_secs(5);
/// A quorum queue that is electing a leader answers late.
const CONSUME: Duration = Duration::from_secs(30);
const LEFTOVERS: Duration = Duration::from_secs(2);
/// After so many looks without a delivery a consumer is made anew.
const IDLE_LOOKS: u32 = 4;

pub(super) enum Ended {
    Drained,
    /// Nothing came for so long that the broker may have forgotten this consumer without a word.
    Idle,
    Lost(Error),
}

pub(super) struct Session {
    config: ConsumerConfig,
    queue: Arc<str>,
    connection: Connection,
    channel: Channel,
    watch: Channel,
    deliveries: lapin::Consumer,
}

impl Session {
    /// Connects, declares, sets the prefetch and then consumes: in this order, or the whole queue would
    /// be sent to this process.
    pub(super) async fn open(
        broker: &Broker,
        config: ConsumerConfig,
        queue: Arc<str>,
    ) -> Result<Self> {
        let connection = broker.connect(&format!("consumer of {queue}")).await?;
        topology::declare_on(broker, &connection).await?;
        let watch = open_channel(&connection).await?;
        let channel = open_channel(&connection).await?;
        let limiting = channel.basic_qos(config.prefetch, BasicQosOptions::default());
        within(STEP, "set the prefetch", limiting).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let asking = channel.basic_consume(queue.as_ref().into(), "".into(), options, arguments);
        let deliveries = match tokio::time::timeout(CONSUME, asking).await {
            Ok(Ok(deliveries)) => deliveries,
            Ok(Err(refused)) if topology::reply_code(&refused) == Some(INTERNAL_ERROR) => {
                return Err(Error::BrokenQueue {
                    queue: queue.to_string(),
                    source: Box::new(refused),
                });
            }
            Ok(Err(source)) => return Err(Error::failed("consume", source)),
            Err(_late) => return Err(Error::TimedOut { doing: "consume" }),
        };
        Ok(Self { config, queue, connection, channel, watch, deliveries })
    }

    /// Hands deliveries out until the connection is lost or shutdown has drained it.
    pub(super) async fn consume<H, F>(
        mut self,
        handler: &Arc<H>,
        in_hand: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Ended
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Disposition> + Send + 'static,
    {
        let mut events = self.connection.events_listener().boxed();
        let broken = CancellationToken::new();
        let seen = AtomicU64::new(0);
        let hand_out = |delivery: lapin::message::Delivery| {
            seen.fetch_add(1, Ordering::Relaxed);
            let held = Held::new(self.config, delivery, broken.clone(), shutdown.clone());
            in_hand.spawn(held.handle(Arc::clone(handler)));
        };
        let watched = Watched { config: self.config, queue: &self.queue, seen: &seen, in_hand };
        let mut watching = pin!(watched.until_silent(&self.watch));
        let lost = loop {
            tokio::select! {
                delivery = self.deliveries.next() => match delivery {
                    Some(Ok(delivery)) => hand_out(delivery),
                    Some(Err(source)) => break Error::failed("go on consuming", source),
                    None => break Error::Cancelled,
                },
                event = events.next() => match event {
                    Some(Event::Error(source)) => break Error::failed("stay connected", source),
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(queue = %self.queue, reason, "the broker blocks a consumer");
                    }
                    Some(_) => {}
                    None => break Error::Cancelled,
                },
                silence = &mut watching => match silence {
                    Ok(()) => {
                        close(self.connection).await;
                        return Ended::Idle;
                    }
                    Err(silent) => break silent,
                },
                () = broken.cancelled() => break Error::TimedOut { doing: "settle a delivery" },
                () = shutdown.cancelled() => {
                    let tag = self.deliveries.tag();
                    let cancelling = self.channel.basic_cancel(tag, BasicCancelOptions::default());
                    if let Err(error) = within(STEP, "stop consuming", cancelling).await {
                        break error;
                    }
                    // What was on its way is finished too: handing it back would count as a failure.
                    let leftovers = async {
                        while let Some(Ok(delivery)) = self.deliveries.next().await {
                            hand_out(delivery);
                        }
                    };
                    let _ = tokio::time::timeout(LEFTOVERS, leftovers).await;
                    in_hand.close();
                    let _ = tokio::time::timeout(self.config.drain, in_hand.wait()).await;
                    close_channel(&self.channel).await;
                    close(self.connection).await;
                    return Ended::Drained;
                }
            }
        };
        close(self.connection).await;
        Ended::Lost(lost)
    }
}

/// What the watch on a second channel looks at.
struct Watched<'a> {
    config: ConsumerConfig,
    queue: &'a Arc<str>,
    seen: &'a AtomicU64,
    in_hand: &'a TaskTracker,
}

impl Watched<'_> {
    /// Returns when the queue cannot be looked at (it or the connection is gone), or when messages wait
    /// over two looks, there is room for them, and none came: an error. Returns as well when nothing came
    /// over four looks and nothing is in hand: then a new consumer costs nothing.
    async fn until_silent(&self, channel: &Channel) -> Result<()> {
        let (mut quiet_before, mut idle) = (false, 0);
        loop {
            let seen = self.seen.load(Ordering::Relaxed);
            tokio::time::sleep(self.config.watch_every).await;
            let waiting = topology::ready(channel, self.queue, STEP).await? > 0;
            let none_came = seen == self.seen.load(Ordering::Relaxed);
            let room = self.in_hand.len() < usize::from(self.config.prefetch);
            let quiet = waiting && room && none_came;
            if quiet && quiet_before {
                return Err(Error::Stalled);
            }
            quiet_before = quiet;
            idle = if none_came && self.in_hand.is_empty() { idle + 1 } else { 0 };
            if idle == IDLE_LOOKS {
                return Ok(());
            }
        }
    }
}

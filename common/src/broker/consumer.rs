//! Consuming for ever: connection, queues, prefetch and consumer are built anew after any trouble, until
//! shutdown. A delivery is a task; its handler's [`Disposition`] decides what the broker is told.
//!
//! Trouble is: an error or the end of the stream, an event of the connection, an ack that could not be
//! written, and silence: a second channel asks every 15 s whether messages wait that nobody is given. A
//! consumer that was given nothing for a minute is made anew: a broker whose queue was deleted and declared
//! again can forget its consumers without telling them (seen with RabbitMQ 3.10).
//!
//! A quorum queue may not come back after a crash of its broker, and then refuses everybody until it is deleted
//! (seen with RabbitMQ 3.10, known of later ones). A working queue holds hints only, so its consumer does that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Broker, SETTLED};
use super::death::Death;
use super::error::Error;
use super::link::{Link, LinkOwner, LinkState};
use super::topology::{self, Queue};
use crate::log::chain;
use crate::panic::caught;
use crate::retry::Backoff;
use session::{Ended, Session};

mod session;
mod settle;

/// What is consumed and how.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerConfig {
    /// The queue.
    pub queue: Queue,
    /// Most deliveries held at once; a crash costs each of them one of its deliveries.
    pub prefetch: u16,
    /// How long deliveries in hand may take to finish after shutdown.
    pub drain: Duration,
    /// How long a delivery is kept back before it is handed back for another try, the first time. It
    /// doubles with each failure, up to thirty times this.
    pub retry_pause: Duration,
    /// How long a delivery is held at most, with the pause before it is handed back. Then its handler is
    /// dropped, and the broker hands the message to somebody who gets further with it.
    pub hold: Duration,
    /// How often the silence is questioned.
    pub watch_every: Duration,
    /// How long the broker may be unable to serve the queue before it is deleted and declared anew.
    pub replace_after: Duration,
}

impl ConsumerConfig {
    /// The usual pauses: 1 s to 30 s before a retry, so that a message outlives three minutes without a
    /// database; nothing held for more than a minute; silence questioned every 15 s; a broken queue replaced
    /// after half a minute, in which any leader would be elected.
    pub fn new(queue: Queue, prefetch: u16, drain: Duration) -> Self {
        Self {
            queue,
            prefetch,
            drain,
            retry_pause: Duration::from_secs(1),
            hold: Duration::from_mins(1),
            watch_every: Duration::from_secs(15),
            replace_after: Duration::from_secs(30),
        }
    }
}

/// A message as the broker hands it to us.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The queue that it came from.
    pub queue: Queue,
    /// The body as it came; see [`Envelope::decode`](super::Envelope::decode).
    pub body: Vec<u8>,
    /// The message id, as the sender wrote it.
    pub message_id: Option<String>,
    /// The kind, as the sender wrote it.
    pub kind: Option<String>,
    /// The request id, as the sender wrote it.
    pub request_id: Option<String>,
    /// Whether the broker knows that it handed the message out before. A hint, never a proof.
    pub redelivered: bool,
    /// How many of its deliveries failed, as far as the broker counts them.
    pub failed_before: u64,
    /// Where and why it died, on a delivery of [`Queue::Dead`].
    pub death: Option<Death>,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// A durable next step was taken: the broker may forget the message.
    Ack,
    /// Hand it out again after a pause; counts towards the limit of deliveries. For what cannot even be
    /// scheduled, as while the database is away.
    Retry,
    /// It will never be understood: to the dead letters at once. (On [`Queue::Dead`] it is forgotten.)
    Dead,
}

/// A consumer of one queue, ready to run.
#[derive(Debug)]
pub struct Consumer {
    broker: Broker,
    config: ConsumerConfig,
    link: LinkOwner,
}

impl Consumer {
    /// Prepares; does not connect.
    pub fn new(broker: &Broker, config: ConsumerConfig) -> Self {
        Self { broker: broker.clone(), config, link: LinkOwner::new() }
    }

    /// How its connection stands.
    pub fn link(&self) -> Link {
        self.link.link()
    }

    /// Consumes until shutdown, then drains: takes no more, finishes what is in hand within the
    /// configured time, acks it, and closes. A handler that panics, or is dropped because it held its
    /// delivery for too long, counts as [`Disposition::Retry`].
    pub async fn run<H, F>(self, handler: H, shutdown: CancellationToken)
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Disposition> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let in_hand = TaskTracker::new();
        let mut waits = Backoff::reconnect();
        let queue: Arc<str> = self.broker.queue_name(self.config.queue).into();
        let mut is_renewed = false;
        let mut broken_since = None;
        while !shutdown.is_cancelled() {
            let is_renewal = std::mem::take(&mut is_renewed);
            let started = Instant::now();
            let opening = Session::open(&self.broker, self.config, Arc::clone(&queue));
            let session = tokio::select! {
                session = caught("consumer", opening) => session.unwrap_or(Err(Error::Panicked)),
                () = shutdown.cancelled() => break,
            };
            let error = match session {
                Ok(session) => {
                    if !is_renewal {
                        tracing::info!(queue = %queue, prefetch = self.config.prefetch, "consuming");
                    }
                    self.link.set(LinkState::Connected);
                    let consuming = session.consume(&handler, &in_hand, &shutdown);
                    let ended = caught("consumer", consuming).await;
                    match ended.unwrap_or(Ended::Lost(Error::Panicked)) {
                        Ended::Drained => break,
                        Ended::Idle => {
                            tracing::debug!(queue = %queue, "nothing came; consuming anew");
                            is_renewed = true;
                            continue;
                        }
                        Ended::Lost(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.report(&queue, &error);
            let is_broken = matches!(error, Error::BrokenQueue { .. });
            broken_since = is_broken.then(|| broken_since.unwrap_or(started));
            if broken_since.is_some_and(|since| since.elapsed() >= self.config.replace_after) {
                broken_since = None;
                self.replace(&queue).await;
            }
            if started.elapsed() > SETTLED {
                waits.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(waits.next_wait()) => {}
                () = shutdown.cancelled() => {}
            }
        }
        in_hand.close();
        if tokio::time::timeout(self.config.drain, in_hand.wait()).await.is_err() {
            tracing::warn!(queue = %queue, left = in_hand.len(), "deliveries were not finished in time");
        }
        self.link.set(LinkState::Down("shut down".into()));
        tracing::info!(queue = %queue, "stopped consuming");
    }

    /// Dead letters are evidence, not hints: their queue is left to somebody who can look at it.
    async fn replace(&self, name: &str) {
        if self.config.queue == Queue::Dead {
            return;
        }
        match topology::replace(&self.broker, self.config.queue).await {
            Ok(()) => {
                tracing::warn!(queue = %name, "the queue was broken; deleted it and declared it anew");
            }
            Err(error) => {
                tracing::warn!(queue = %name, error = %chain(&error), "the queue is broken and cannot be replaced");
            }
        }
    }

    fn report(&self, queue: &str, error: &Error) {
        let reason = chain(error);
        if matches!(error, Error::OtherArguments { .. }) {
            tracing::error!(queue, error = %reason, "cannot consume");
        } else {
            tracing::warn!(queue, error = %reason, "cannot consume; connecting again");
        }
        self.link.set(LinkState::Down(reason.into()));
    }
}

//! One task owns one confirm channel on a connection of its own and sends a batch at a time: two tasks on
//! one channel could swap their delivery tags, and a confirm would answer for the wrong message. After any
//! trouble channel and connection are dropped and built anew.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use lapin::{Channel, Event};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::connection::{Broker, Connection, SETTLED, close, close_channel, open_confirm_channel};
use super::envelope::Envelope;
use super::error::{Error, Result};
use super::link::{Link, LinkOwner, LinkState};
use super::topology;
use crate::log::chain;
use crate::panic::caught;
use crate::retry::Backoff;
use round::{Round, Sent};

pub(super) mod round;

/// Most messages of a batch, all unconfirmed at once: enough for the broker's full rate.
pub const WINDOW: usize = 512;
const CONFIRM: Duration = Duration::from_secs(12);

/// What the broker said about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// On disk in its queue.
    Confirmed,
    /// No queue took it; the queues will be declared again.
    Returned,
    /// The broker refused it, mostly because the queue is full.
    Nacked,
    /// Not sent, or no answer: it may or may not arrive.
    Unknown,
}

/// The way to the publishing task. Cheap to clone; the task says goodbye and ends when the last clone is
/// dropped.
#[derive(Debug, Clone)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
    link: Link,
}

#[derive(Debug)]
struct Request {
    batch: Vec<Envelope>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

impl Publisher {
    /// Starts the task. It connects at once, declares the queues, and keeps doing so after any trouble.
    pub fn start(broker: &Broker, tasks: &TaskTracker) -> Self {
        let (requests, waiting) = mpsc::channel(8);
        let owner = LinkOwner::new();
        let link = owner.link();
        tasks.spawn(Task { broker: broker.clone(), requests: waiting, link: owner }.run());
        Self { requests, link }
    }

    /// How its connection stands.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Sends the messages and answers for each, in their order. Answers `Unknown` at once while there is
    /// no connection; waits while the broker blocks publishers. More than [`WINDOW`] go in several rounds.
    pub async fn publish(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let unknown = vec![Outcome::Unknown; batch.len()];
        if batch.is_empty() || matches!(self.link.state(), LinkState::Down(_)) {
            return unknown;
        }
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { batch, reply }).await.is_err() {
            return unknown;
        }
        answer.await.unwrap_or(unknown)
    }
}

struct Task {
    broker: Broker,
    requests: mpsc::Receiver<Request>,
    link: LinkOwner,
}

/// Why a session ended.
enum End {
    /// Nobody holds the publisher any more.
    Unused,
    /// It has to be built anew.
    Trouble(Error),
}

impl Task {
    async fn run(mut self) {
        let mut waits = Backoff::reconnect();
        loop {
            let started = Instant::now();
            let end = caught("publisher", self.session()).await;
            let End::Trouble(error) = end.unwrap_or(End::Trouble(Error::Panicked)) else { return };
            if started.elapsed() > SETTLED {
                waits.reset();
            }
            let reason = chain(&error);
            if matches!(error, Error::OtherArguments { .. }) {
                tracing::error!(error = %reason, "cannot publish");
            } else {
                tracing::warn!(error = %reason, "cannot publish; connecting again");
            }
            self.link.set(LinkState::Down(reason.into()));
            if !self.wait(waits.next_wait()).await {
                return;
            }
        }
    }

    /// Waits before the next try, answering requests meanwhile; `false` when nobody is left.
    async fn wait(&mut self, how_long: Duration) -> bool {
        let mut until = pin!(tokio::time::sleep(how_long));
        loop {
            tokio::select! {
                () = &mut until => return true,
                request = self.requests.recv() => match request {
                    // Dropping the reply answers `Unknown`.
                    Some(request) => drop(request),
                    None => return false,
                },
            }
        }
    }

    /// Connects and serves until trouble.
    async fn session(&mut self) -> End {
        let connection = match self.broker.connect("publisher").await {
            Ok(connection) => connection,
            Err(error) => return End::Trouble(error),
        };
        let mut events = connection.events_listener().boxed();
        let channel = match self.prepare(&connection).await {
            Ok(channel) => channel,
            Err(error) => {
                close(connection).await;
                return End::Trouble(error);
            }
        };
        tracing::info!(broker = %self.broker, "publishing");
        self.link.set(LinkState::Connected);
        let end = self.serve(&channel, &connection, &mut events).await;
        close_channel(&channel).await;
        close(connection).await;
        end
    }

    async fn prepare(&self, connection: &Connection) -> Result<Channel> {
        topology::declare_on(&self.broker, connection).await?;
        open_confirm_channel(connection).await
    }

    async fn serve(
        &mut self,
        channel: &Channel,
        connection: &Connection,
        events: &mut BoxStream<'static, Event>,
    ) -> End {
        loop {
            let request = tokio::select! {
                request = self.requests.recv() => request,
                event = events.next() => match self.note(event) {
                    Ok(()) => continue,
                    Err(error) => return End::Trouble(error),
                },
            };
            let Some(Request { batch, mut reply }) = request else { return End::Unused };
            let mut outcomes = Vec::with_capacity(batch.len());
            let mut trouble = None;
            for round in batch.chunks(WINDOW) {
                if trouble.is_none() {
                    let sending = self.send(channel, connection, events, round);
                    let sent = tokio::select! {
                        sent = sending => sent,
                        // Only a blocked broker makes a caller leave before the answer.
                        () = reply.closed() => Sent::nothing_known(round, Error::Abandoned),
                    };
                    trouble = sent.trouble;
                    outcomes.extend(sent.outcomes);
                } else {
                    outcomes.extend(round.iter().map(|_| Outcome::Unknown));
                }
            }
            if let Some(error) = trouble {
                self.link.set(LinkState::Down(error.to_string().into()));
                let _ = reply.send(outcomes);
                return End::Trouble(error);
            }
            let _ = reply.send(outcomes);
        }
    }

    /// One round: all messages written, then all confirms awaited.
    async fn send(
        &self,
        channel: &Channel,
        connection: &Connection,
        events: &mut BoxStream<'static, Event>,
        messages: &[Envelope],
    ) -> Sent {
        let mut trouble = pin!(self.trouble(connection, events));
        let mut round = tokio::select! {
            round = Round::write(channel, &self.broker, messages) => round,
            error = &mut trouble => return Sent::nothing_known(messages, error),
        };
        let trouble = tokio::select! {
            () = round.answered() => None,
            error = &mut trouble => Some(error),
        };
        round.end(trouble)
    }

    /// Ends when the connection does, or the broker has owed an answer for too long.
    async fn trouble(
        &self,
        connection: &Connection,
        events: &mut BoxStream<'static, Event>,
    ) -> Error {
        let mut late = pin!(tokio::time::sleep(CONFIRM));
        loop {
            tokio::select! {
                event = events.next() => if let Err(error) = self.note(event) {
                    return error;
                },
                () = &mut late => {
                    // A blocked broker answers when its alarm ends; sending again would only double.
                    if !connection.status().blocked() {
                        return Error::TimedOut { doing: "have messages confirmed" };
                    }
                    late.as_mut().reset(Instant::now() + CONFIRM);
                }
            }
        }
    }

    /// Follows the connection's events; an error ends the session.
    fn note(&self, event: Option<Event>) -> Result<()> {
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(reason, "the broker blocks publishers");
                self.link.set(LinkState::Blocked(reason.into()));
            }
            Some(Event::ConnectionUnblocked) => {
                tracing::info!("the broker takes messages again");
                self.link.set(LinkState::Connected);
            }
            Some(Event::Error(source)) => return Err(Error::failed("stay connected", source)),
            Some(_) => {}
            None => return Err(Error::Cancelled),
        }
        Ok(())
    }
}

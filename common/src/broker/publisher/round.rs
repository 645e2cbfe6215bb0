//! One round of a batch: all messages are written, then all confirms awaited. What the broker has said of some of
//! them counts also when it never says a word of the others.
//!
//! The library hangs a returned message on whichever confirm completes next. So every returned id is collected,
//! and only a plain ack of a message that did not come back counts as confirmed.

use std::collections::{HashSet, VecDeque};

use futures::FutureExt as _;
use futures::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};

use super::Outcome;
use crate::broker::connection::Broker;
use crate::broker::envelope::Envelope;
use crate::broker::error::Error;

const PERSISTENT: u8 = 2;

/// What became of one round.
pub(super) struct Sent {
    /// By the message's place.
    pub(super) outcomes: Vec<Outcome>,
    /// Why the session has to be built anew, if it has.
    pub(super) trouble: Option<Error>,
}

impl Sent {
    pub(super) fn nothing_known(messages: &[Envelope], error: Error) -> Self {
        Self { outcomes: vec![Outcome::Unknown; messages.len()], trouble: Some(error) }
    }
}

/// A round whose messages are written.
pub(super) struct Round<'a> {
    messages: &'a [Envelope],
    /// By the message's place.
    answers: Vec<Outcome>,
    waiting: VecDeque<(usize, PublisherConfirm)>,
    returned: HashSet<Option<String>>,
    trouble: Option<Error>,
}

impl<'a> Round<'a> {
    /// Writes every message. The futures are polled by one task alone, so tags are given out in the order of the
    /// frames.
    pub(super) async fn write(
        channel: &Channel,
        broker: &Broker,
        messages: &'a [Envelope],
    ) -> Self {
        let writes = messages.iter().map(|envelope| async move {
            let queue = broker.queue_name(envelope.kind.queue());
            publish(channel, queue, &envelope.encode(), properties(envelope)).await
        });
        let written = join_all(writes).await;
        crate::crash_point!("relay.after_publish");
        let mut round = Self {
            messages,
            answers: vec![Outcome::Unknown; messages.len()],
            waiting: VecDeque::with_capacity(messages.len()),
            returned: HashSet::new(),
            trouble: None,
        };
        for (place, written) in written.into_iter().enumerate() {
            match written {
                Ok(confirm) => round.waiting.push_back((place, confirm)),
                Err(source) => round.note(place, Err(source)),
            }
        }
        round
    }

    /// Waits until the broker has said something of every message. Nothing is lost when it is dropped while it
    /// waits.
    pub(super) async fn answered(&mut self) {
        while let Some((place, confirm)) = self.waiting.front_mut() {
            let (place, confirmed) = (*place, confirm.await);
            self.waiting.pop_front();
            self.note(place, confirmed);
        }
    }

    /// What is known by now, and `trouble` or what the round met itself.
    pub(super) fn end(mut self, trouble: Option<Error>) -> Sent {
        // The return of a message hangs on a confirm that came no later than its own, but may be looked at before
        // both: so as often as there was something new.
        while self.look() {}
        let Self { messages, answers, returned, trouble: met, .. } = self;
        // A message that came back without its id could be any of them.
        let anonymous = returned.contains(&None);
        let outcomes = messages.iter().zip(answers).map(|(envelope, answer)| match answer {
            _ if returned.contains(&Some(envelope.id.to_string())) => Outcome::Returned,
            Outcome::Confirmed if anonymous => Outcome::Unknown,
            answer => answer,
        });
        let unroutable = (!returned.is_empty()).then_some(Error::Unroutable);
        Sent { outcomes: outcomes.collect(), trouble: trouble.or(met).or(unroutable) }
    }

    /// Notes the confirms that are there; whether there were any.
    fn look(&mut self) -> bool {
        let before = self.waiting.len();
        for (place, mut confirm) in std::mem::take(&mut self.waiting) {
            match (&mut confirm).now_or_never() {
                Some(confirmed) => self.note(place, confirmed),
                None => self.waiting.push_back((place, confirm)),
            }
        }
        self.waiting.len() < before
    }

    fn note(&mut self, place: usize, confirmed: lapin::Result<Confirmation>) {
        match confirmed {
            Ok(Confirmation::NotRequested) => self.trouble = Some(Error::Unconfirmed),
            Ok(confirmation) => {
                let acked = confirmation.is_ack();
                let message = confirmation.take_message();
                self.returned.extend(message.map(|message| message_id(&message.properties)));
                self.answers[place] = if acked { Outcome::Confirmed } else { Outcome::Nacked };
            }
            Err(source) => {
                self.trouble = Some(Error::failed("have messages confirmed", source));
            }
        }
    }
}

fn message_id(properties: &BasicProperties) -> Option<String> {
    properties.message_id().as_ref().map(ToString::to_string)
}

pub(in crate::broker) fn properties(envelope: &Envelope) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(envelope.id.to_string().into())
        .with_type(envelope.kind.as_str().into())
        .with_correlation_id(envelope.request_id.as_str().into())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
}

/// Mandatory, so that a message that no queue takes comes back and is not confirmed away.
pub(in crate::broker) async fn publish(
    channel: &Channel,
    queue: String,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let exchange = ShortString::default();
    channel.basic_publish(exchange, queue.into(), options, body, properties).await
}

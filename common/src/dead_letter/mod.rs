//! The only store of dead letters: what could not be understood, and what an order gave up on. Nothing
//! is thrown away unread; an admin redrives a letter (the message travels again, under the same id) or
//! discards it with a reason. Either closes it, once.

use chrono::{DateTime, Utc};

use crate::broker::Kind;
use crate::id::{DeadLetterId, MessageId, OrderId};
use crate::outbox::OutboxRow;
use crate::trace::RequestId;

mod close;
pub mod store;

pub use close::{Closer, Refusal, discard, redrive};

/// Where a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// Somebody has to decide.
    Open,
    /// Its message was sent again.
    Redriven,
    /// It was closed with a reason.
    Discarded,
}

impl LetterState {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Open, "open"), (Self::Redriven, "redriven"), (Self::Discarded, "discarded")];

    /// Its name, as in the table and on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).expect("every state is in the list").1
    }

    /// The state with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(state, _)| *state)
    }
}

/// A letter to be kept. Texts longer than their columns are cut; of a body over 64 KiB the beginning is kept
/// and its size told in the reason; what a foreign sender wrote where an id should be is kept only if it fits.
#[derive(Debug, Clone)]
pub struct NewLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// The message's id, as its sender wrote it.
    pub message_id: Option<String>,
    /// The message's kind, as its sender wrote it.
    pub kind: Option<String>,
    /// The order that the message is about, when that is known.
    pub order_id: Option<OrderId>,
    /// The request that caused the message, when that is known.
    pub request_id: Option<RequestId>,
    /// Where it died: a queue, or a stage of the pipeline.
    pub source: String,
    /// Why, in words for an operator.
    pub reason: String,
    /// The message as it came, as far as it is kept; empty in a page of letters.
    pub body: Vec<u8>,
}

/// A letter as it is kept.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// What was kept.
    pub letter: NewLetter,
    /// Where it stands.
    pub state: LetterState,
    /// How it was closed, unless it is open.
    pub closed: Option<Closed>,
    /// When it was kept.
    pub died_at: DateTime<Utc>,
}

/// How a letter was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// By whom: a user's id, or the name of a tool.
    pub by: String,
    /// Why; always there when it was discarded.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl DeadLetter {
    /// The message to send again, if it can be understood: its id, kind and order are known.
    pub fn message(&self) -> Option<OutboxRow> {
        let letter = &self.letter;
        let id: MessageId = letter.message_id.as_deref()?.parse().ok()?;
        let kind: Kind = letter.kind.as_deref()?.parse().ok()?;
        let request_id = letter.request_id.clone().unwrap_or_else(RequestId::mint);
        Some(OutboxRow { id, kind, order_id: letter.order_id?, request_id })
    }
}

//! A dead letter on the wire.

use chrono::{DateTime, Utc};
use ordermill_common::clock;
use ordermill_common::dead_letter::{Closed, DeadLetter};
use ordermill_common::id::{DeadLetterId, OrderId};
use serde::Serialize;

/// A dead letter in a list.
#[derive(Debug, Serialize)]
pub(super) struct HeadBody {
    id: DeadLetterId,
    state: &'static str,
    source: String,
    reason: String,
    message_id: Option<String>,
    kind: Option<String>,
    order_id: Option<OrderId>,
    request_id: Option<String>,
    #[serde(serialize_with = "clock::serialize")]
    died_at: DateTime<Utc>,
    closed: Option<ClosedBody>,
}

/// A dead letter with the message as it came, or its first 64 KiB; what is not UTF-8 in it is replaced.
#[derive(Debug, Serialize)]
pub struct LetterBody {
    #[serde(flatten)]
    head: HeadBody,
    body: String,
}

#[derive(Debug, Serialize)]
struct ClosedBody {
    by: String,
    reason: Option<String>,
    #[serde(serialize_with = "clock::serialize")]
    at: DateTime<Utc>,
}

impl HeadBody {
    /// The letter without its message.
    pub(super) fn new(dead: DeadLetter) -> Self {
        let DeadLetter { letter, state, closed, died_at } = dead;
        Self {
            id: letter.id,
            state: state.as_str(),
            source: letter.source,
            reason: letter.reason,
            message_id: letter.message_id,
            kind: letter.kind,
            order_id: letter.order_id,
            request_id: letter.request_id.map(|id| id.to_string()),
            died_at,
            closed: closed.map(|Closed { by, reason, at }| ClosedBody { by, reason, at }),
        }
    }
}

impl LetterBody {
    /// The whole letter.
    pub fn new(dead: DeadLetter) -> Self {
        let body = String::from_utf8_lossy(&dead.letter.body).into_owned();
        Self { head: HeadBody::new(dead), body }
    }
}

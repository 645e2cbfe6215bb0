//! What travels: a stable kind, the order that it wakes, and the request that caused it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::topology::Queue;
use crate::id::{MessageId, OrderId};
use crate::trace::RequestId;

/// Bodies above this are not read. Ours are under half a kilobyte.
pub const MAX_BODY: usize = 16 * 1024;

/// A message's stable name with its version. Names never change and are never derived from a type's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A checkout was accepted, or its order needs another look.
    OrderCheckoutV1,
    /// A cancellation was asked for, and waits to be decided.
    OrderCancelV1,
}

/// The text names no kind that this binary knows; a newer one may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown message kind")]
pub struct UnknownKind;

impl Kind {
    /// Every kind, its name, and the queue that it travels on: the one list.
    pub const ALL: [(Self, &'static str, Queue); 2] = [
        (Self::OrderCheckoutV1, "order.checkout.v1", Queue::Checkout),
        (Self::OrderCancelV1, "order.cancel.v1", Queue::Cancel),
    ];

    fn entry(self) -> &'static (Self, &'static str, Queue) {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).expect("every kind is in the list")
    }

    /// Its name, as in messages, tables and logs.
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// The queue that it travels on.
    pub fn queue(self) -> Queue {
        self.entry().2
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.iter().find(|(_, name, _)| *name == text);
        known.map(|(kind, ..)| *kind).ok_or(UnknownKind)
    }
}

/// A message: a wake-up for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The message's id, the same however often it is sent.
    pub id: MessageId,
    /// What it asks for.
    pub kind: Kind,
    /// The order that it wakes.
    pub order_id: OrderId,
    /// The request that caused it.
    pub request_id: RequestId,
    /// When the message was made, to the millisecond (it is part of the id).
    pub at: DateTime<Utc>,
}

/// Why a delivery's body is not a message.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Longer than [`MAX_BODY`].
    #[error("the body has {0} bytes")]
    TooLarge(usize),
    /// Not JSON of the expected shape.
    #[error("the body cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// Well-formed, of a kind that this binary does not know.
    #[error("unknown message kind {0:?}")]
    UnknownKind(String),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    id: MessageId,
    kind: String,
    order_id: OrderId,
    request_id: RequestId,
    at: String,
}

/// Reads the kind alone, so that a newer kind with other fields is named and not called malformed.
#[derive(Deserialize)]
struct WireKind {
    kind: String,
}

impl Envelope {
    /// The message with this id; its time is the id's.
    pub fn new(id: MessageId, kind: Kind, order_id: OrderId, request_id: RequestId) -> Self {
        Self { id, kind, order_id, request_id, at: minted(id) }
    }

    /// The body that travels: JSON.
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            id: self.id,
            kind: self.kind.as_str().to_owned(),
            order_id: self.order_id,
            request_id: self.request_id.clone(),
            at: crate::clock::wire(self.at),
        };
        serde_json::to_vec(&wire).expect("an envelope is a struct of strings")
    }

    /// Reads a body. Fields that are not known are ignored, so that a message may grow.
    pub fn decode(body: &[u8]) -> Result<Self, Undecodable> {
        if body.len() > MAX_BODY {
            return Err(Undecodable::TooLarge(body.len()));
        }
        let WireKind { kind } = serde_json::from_slice(body).map_err(Undecodable::Malformed)?;
        let Ok(kind) = kind.parse() else { return Err(Undecodable::UnknownKind(kind)) };
        let wire: Wire = serde_json::from_slice(body).map_err(Undecodable::Malformed)?;
        Ok(Self::new(wire.id, kind, wire.order_id, wire.request_id))
    }
}

/// The milliseconds that a `UUIDv7` begins with.
fn minted(id: MessageId) -> DateTime<Utc> {
    let millis = i64::try_from(id.uuid().as_u128() >> 80).expect("48 bits fit into 63");
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let request = RequestId::mint();
        Envelope::new(MessageId::mint(), Kind::OrderCancelV1, OrderId::mint(), request)
    }

    #[test]
    fn a_message_reads_back_as_itself() {
        let sent = envelope();
        assert_eq!(Envelope::decode(&sent.encode()).unwrap(), sent);
        let age = crate::clock::now() - sent.at;
        assert!(age.num_seconds().abs() < 5, "{age}");
    }

    #[test]
    fn the_names_of_the_kinds_never_change() {
        let names: Vec<_> = Kind::ALL.iter().map(|(_, name, _)| *name).collect();
        assert_eq!(names, ["order.checkout.v1", "order.cancel.v1"]);
        for (kind, name, _) in Kind::ALL {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_apart() {
        let oversized = vec![b' '; MAX_BODY + 1];
        assert!(matches!(Envelope::decode(&oversized), Err(Undecodable::TooLarge(_))));
        for malformed in
            ["", "{", "[]", "{\"kind\":7}", "{\"kind\":\"order.checkout.v1\"}", "\u{0}"]
        {
            let read = Envelope::decode(malformed.as_bytes());
            assert!(matches!(read, Err(Undecodable::Malformed(_))), "{malformed}: {read:?}");
        }
        let newer = br#"{"kind":"order.checkout.v2","whatever":1}"#;
        let read = Envelope::decode(newer);
        assert!(
            matches!(&read, Err(Undecodable::UnknownKind(kind)) if kind == "order.checkout.v2")
        );
    }

    #[test]
    fn fields_added_later_are_ignored() {
        let sent = envelope();
        let mut body: serde_json::Value = serde_json::from_slice(&sent.encode()).unwrap();
        body["priority"] = 7.into();
        assert_eq!(Envelope::decode(body.to_string().as_bytes()).unwrap(), sent);
    }
}

//! Messages that wait to leave.
//!
//! A row is written in the transaction of its cause, leased for 30 s to the process that wrote it, and
//! removed when the broker has confirmed the message. The writing process publishes it without reading it
//! again, from a hint that may be lost; after 20 s it may claim the row itself, and a row whose lease ran out
//! belongs to whoever claims it. So a message leaves at least once, whatever fails, in no particular order.
//!
//! ```text
//! insert (tx) -> commit -> RelayHandle::hint -> relay: publish, confirm, delete
//!                             (lost?)  time passes -> relay of any process: claim, publish, ...
//! ```

use std::time::Duration;

use crate::broker::{Envelope, Kind};
use crate::id::{MessageId, OrderId};
use crate::trace::RequestId;

mod relay;
pub mod store;

pub use relay::{Relay, RelayConfig, RelayHandle};

/// How long a row belongs to the process that wrote or claimed it.
pub const LEASE: Duration = Duration::from_secs(30);

/// A message that waits to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The message's id.
    pub id: MessageId,
    /// What it asks for.
    pub kind: Kind,
    /// The order that it wakes.
    pub order_id: OrderId,
    /// The request that caused it.
    pub request_id: RequestId,
}

impl From<OutboxRow> for Envelope {
    fn from(row: OutboxRow) -> Self {
        Self::new(row.id, row.kind, row.order_id, row.request_id)
    }
}

//! The door to RabbitMQ, and the only place that knows AMQP.
//!
//! A message is a wake-up, not the truth: its loss costs time (a sweep sends it again), its doubling costs
//! nothing (every stage answers from what it reads). What this room promises:
//!
//! - `Confirmed` means that the broker wrote the message to disk and a queue holds it. Everything else
//!   (returned, nacked, unknown) leaves the outbox row where it is.
//! - Connections are rebuilt for ever by loops of ours, with a deadline on every wait. Publishing and
//!   consuming never share a connection: a blocked publisher must not keep acks from being sent.
//! - Queues are quorum queues with a delivery limit that dead-letter at least once; a queue that exists
//!   with other arguments is an error that names it, and the process stays "not ready".
//!
//! ```text
//! outbox -> relay -> Publisher ----> orders.checkout, orders.cancel -> Consumer -> handler -> ack
//!                                          | limit reached, or dead
//!                                          +----> orders.dead -> Consumer -> wake again, or park
//! ```

mod channels;
mod connection;
mod consumer;
mod death;
mod dial;
mod envelope;
mod error;
mod link;
mod publisher;
mod topology;

pub use channels::ChannelPool;
pub use connection::Broker;
pub use consumer::{Consumer, ConsumerConfig, Delivery, Disposition};
pub use death::Death;
pub use envelope::{Envelope, Kind, MAX_BODY, Undecodable, UnknownKind};
pub use error::{Error, Result};
pub use link::{Link, LinkState};
pub use publisher::{Outcome, Publisher, WINDOW};
pub use topology::{
    DELIVERY_LIMIT, Queue, declare, declare_plain, delete_topology, purge_topology,
};

//! Making connections and channels, each wait with a deadline. Nothing recovers by itself: the loops of
//! the publisher and the consumer build everything anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, ConnectionProperties};

pub(super) use super::dial::Connection;
use super::dial::dial;
use super::error::{Error, Result, within};
use super::topology::Queue;
use crate::log::without_password;

const CONNECT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_secs(5);
const CLOSE: Duration = Duration::from_secs(2);
/// Death is noticed within twice this; the library's default would take two minutes.
const HEARTBEAT_SECONDS: u16 = 10;
/// The library keeps room for 64 of these for each connection, goes round in it, and holds what it has touched once: the
/// larger they are, the longer a process seems to grow. The smallest that RabbitMQ takes since 4.1; no message of ours
/// fills one.
const FRAME_BYTES: u32 = 8 * 1024;
/// A connection that lived this long was a success: the next wait starts small again.
pub(super) const SETTLED: Duration = Duration::from_secs(5);
const MAX_PREFIX: usize = 100;

/// Where the broker is and what our queues are called there; cheap to clone, connects when it is used.
#[derive(Clone)]
pub struct Broker {
    uri: Arc<AMQPUri>,
    shown: Arc<str>,
    prefix: Arc<str>,
}

impl Broker {
    /// Reads the URL and the prefix that goes before every queue's name; does not connect.
    pub fn new(url: &str, prefix: &str) -> Result<Self> {
        let mut uri: AMQPUri = url.parse().map_err(Error::Settings)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max.get_or_insert(FRAME_BYTES);
        let fits = prefix.len() <= MAX_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(Error::Settings(format!(
                "the prefix of the queues has up to {MAX_PREFIX} visible ASCII characters"
            )));
        }
        Ok(Self { uri: Arc::new(uri), shown: without_password(url).into(), prefix: prefix.into() })
    }

    /// The queue's full name on the broker.
    pub fn queue_name(&self, queue: Queue) -> String {
        format!("{}{}", self.prefix, queue.base_name())
    }

    /// A new connection, shown at the broker under `name`.
    pub(super) async fn connect(&self, name: &str) -> Result<Connection> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("ordermill {name} {}", std::process::id()).into());
        let dialing = Box::pin(dial(AMQPUri::clone(&self.uri), properties));
        within(CONNECT, "connect to the broker", dialing).await
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({} {})", self.shown, self.prefix)
    }
}

pub(super) async fn open_channel(connection: &Connection) -> Result<Channel> {
    within(STEP, "open a channel", connection.create_channel()).await
}

/// A channel whose messages are confirmed.
pub(super) async fn open_confirm_channel(connection: &Connection) -> Result<Channel> {
    let channel = open_channel(connection).await?;
    let selecting = channel.confirm_select(lapin::options::ConfirmSelectOptions::default());
    within(STEP, "ask for confirms", selecting).await?;
    Ok(channel)
}

/// Says goodbye on one channel. Keep the channel until its connection is closed: dropping it starts a
/// close of its own, which the library reports as an error when the connection is faster.
pub(super) async fn close_channel(channel: &Channel) {
    if channel.status().connected() {
        let _ = within(CLOSE, "close a channel", channel.close(200, "bye".into())).await;
    }
}

/// Says goodbye when that is possible soon; whatever happens the connection is gone afterwards.
pub(super) async fn close(connection: Connection) {
    if connection.status().connected() && !connection.status().blocked() {
        let _ = within(CLOSE, "close a connection", connection.close(200, "bye".into())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown_and_a_wrong_setting_is_refused() {
        let broker = Broker::new("amqp://shop:s3cret@mq:5672/%2f", "a.").unwrap();
        assert!(!format!("{broker} {broker:?}").contains("s3cret"));
        assert_eq!(broker.queue_name(Queue::Checkout), "a.orders.checkout");
        let refused = Broker::new("amqp://u:s3cret@mq:port/", "").unwrap_err();
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
        assert!(Broker::new("http://localhost", "").is_err());
        assert!(Broker::new("amqp://localhost", "with space").is_err());
        assert!(Broker::new("amqp://localhost", &"x".repeat(101)).is_err());
    }
}

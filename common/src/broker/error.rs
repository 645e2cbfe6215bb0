//! What can go wrong with the broker. The library's own error type stays behind this one.

use std::future::Future;
use std::time::Duration;

/// The outcome of a broker operation.
pub type Result<T> = std::result::Result<T, Error>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A broker operation did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL or the prefix of the queues cannot be used.
    #[error("the broker's settings are wrong: {0}")]
    Settings(String),
    /// The broker refused or the connection was lost.
    #[error("could not {doing}")]
    Failed {
        /// What was being done, as in "open a channel".
        doing: &'static str,
        /// What the broker or the library said.
        #[source]
        source: Source,
    },
    /// No answer in time; the outcome is unknown.
    #[error("could not {doing} in time")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
    },
    /// A queue exists with other arguments than ours. Somebody must delete or rename it.
    #[error(
        "the queue {queue} exists with other arguments; delete it when it is empty, or choose another prefix"
    )]
    OtherArguments {
        /// The queue's full name.
        queue: String,
        /// What the broker said.
        #[source]
        source: Source,
    },
    /// The broker knows the queue and cannot serve it: a quorum queue without its processes.
    #[error("the broker cannot serve the queue {queue}")]
    BrokenQueue {
        /// The queue's full name.
        queue: String,
        /// What the broker said.
        #[source]
        source: Source,
    },
    /// A queue that a message is for does not exist.
    #[error("a message came back because its queue is missing")]
    Unroutable,
    /// The caller left while the broker took no messages.
    #[error("nobody waits for the confirms any more")]
    Abandoned,
    /// The channel answers without confirming.
    #[error("the channel does not confirm messages")]
    Unconfirmed,
    /// The stream of deliveries ended: the queue was deleted or its leader lost.
    #[error("the broker cancelled the consumer")]
    Cancelled,
    /// The task that used the connection panicked.
    #[error("the task panicked")]
    Panicked,
    /// The broker says that messages wait, and none has come for a while.
    #[error("messages wait in the queue and none is delivered")]
    Stalled,
}

impl Error {
    pub(super) fn failed(doing: &'static str, source: lapin::Error) -> Self {
        Self::Failed { doing, source: Box::new(source) }
    }
}

/// Waits for an answer of the broker, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    asking: impl Future<Output = lapin::Result<T>> + Send,
) -> Result<T> {
    tokio::time::timeout(limit, asking)
        .await
        .map_err(|_| Error::TimedOut { doing })?
        .map_err(|source| Error::failed(doing, source))
}

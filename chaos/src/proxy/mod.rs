//! A link between a process and a server that breaks on command.
//!
//! ```text
//! client -- near --> Proxy -- far --> server        ToServer ->    <- ToClient
//! ```
//!
//! - A command acts at once on every connection, those that come later as well, until [`Proxy::heal`].
//!   Commands add up: a delayed link can go silent.
//! - What a command did is counted when it happened, not when it was asked for: see [`Tally`].
//! - A connection that lost bytes never carries bytes in that direction again, not even after `heal`: a
//!   stream with a hole in it is nothing that TCP would deliver. It stays a black hole until an end gives up.
//! - Patterns are looked for in plain bytes: the client must not encrypt (`?ssl-mode=DISABLED`). MySQL 9 lets
//!   a user in without encryption only after one encrypted login since its start.
//!
//! The kernel makes connections before a proxy can have a say: a dead host, whose connections are never
//! made, is not among the faults.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use faults::{Faults, Lose, Truncate};
use tally::Counts;

mod connection;
mod faults;
mod pump;
mod tally;

pub use tally::Tally;

/// How `sqlx` asks MySQL to commit: a packet of seven bytes, the first of its exchange, with the command
/// "query" and its text.
pub const MYSQL_COMMIT: &[u8] = b"\x07\0\0\0\x03COMMIT";

/// Which way bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
    /// Both.
    Both,
}

/// Stands before one server. Dropping it resets every connection and frees the port.
pub struct Proxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    counts: Counts,
    _stop: DropGuard,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on a free port of this machine and carries every connection to `target`, which need not be
    /// there yet: whoever connects meanwhile is reset.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let faults = watch::Sender::new(Faults::default());
        let (counts, stop, tasks) =
            (Counts::default(), CancellationToken::new(), TaskTracker::new());
        let accepting = connection::accept(
            listener,
            target,
            faults.subscribe(),
            counts.clone(),
            stop.clone(),
            tasks.clone(),
        );
        tasks.spawn(accepting);
        Ok(Self { address, faults, counts, _stop: stop.drop_guard() })
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What has happened so far.
    pub fn tally(&self) -> Tally {
        self.counts.read()
    }

    /// Ends all faults. Bytes that a delay holds back are let through at once; what was lost stays lost.
    pub fn heal(&self) {
        self.faults.send_modify(|faults| {
            *faults = Faults { resets: faults.resets, orders: faults.orders, ..Faults::default() };
        });
    }

    /// Resets all connections (RST), and every new one as soon as it is made.
    pub fn cut(&self) {
        self.faults.send_modify(|faults| faults.cut = true);
    }

    /// Resets the connections there are; new ones work.
    pub fn cut_now(&self) {
        self.faults.send_modify(|faults| faults.resets += 1);
    }

    /// Holds every chunk of at most 64 KiB back this long, both ways, one after another. A delay longer than
    /// the fault is a link that stalls and comes back with everything that was sent.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Reads on and throws away what comes: a black hole. No end sees a close or a reset of the other.
    pub fn drop_silently(&self, direction: Direction) {
        self.faults.send_modify(|faults| faults.silent = Some(direction));
    }

    /// Lets each connection, and each new one, send `after` more bytes in the direction, and resets it when
    /// more come: in the middle of whatever frame it is.
    pub fn truncate(&self, direction: Direction, after: u64) {
        self.faults.send_modify(|faults| {
            faults.orders += 1;
            faults.truncate = Some(Truncate { direction, after, order: faults.orders });
        });
    }

    /// The next `times` times that a client sends these bytes, over all connections: forwards them, and
    /// resets the connection instead of the server's answer. What was asked is done, and nobody is told.
    /// For protocols that answer one request after the other.
    pub fn drop_answer_to(&self, pattern: &[u8], times: u64) {
        self.lose(Lose::answer(pattern, times));
    }

    /// As [`Proxy::drop_answer_to`], but the request is what is lost, and nothing is done. The client cannot
    /// tell the two apart.
    pub fn drop_request(&self, pattern: &[u8], times: u64) {
        self.lose(Lose::request(pattern, times));
    }

    fn lose(&self, lose: Lose) {
        let lose = Some(Arc::new(lose));
        self.faults.send_modify(|faults| faults.lose = lose);
    }
}

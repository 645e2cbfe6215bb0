//! The socket of a connection is opened here and handed to the library. What the library begins itself and
//! cannot finish stays for ever: a task for every port that refuses, a thread for every peer that never
//! answers, be it at the beginning or when it is told goodbye. With outages those add up (lapin issue 368 is
//! the first of them).

use std::io;
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, ConnectionProperties};

/// A connection of the library. Its socket ends when it is dropped, and with that all that the library still
/// does for it.
#[derive(Debug)]
pub(super) struct Connection {
    lapin: lapin::Connection,
    _hang_up: HangUp,
}

impl Deref for Connection {
    type Target = lapin::Connection;

    fn deref(&self) -> &lapin::Connection {
        &self.lapin
    }
}

/// A connection that is ready. Dropped before that, it leaves nothing behind.
pub(super) async fn dial(
    uri: AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    let runtime = lapin::runtime::default_runtime()?;
    let host = uri.authority.host.clone();
    tracing::trace!(host, port = uri.authority.port, "dialing the broker");
    let addresses: Vec<_> =
        tokio::net::lookup_host((host.as_str(), uri.authority.port)).await?.collect();
    let mut stream = AsyncTcpStream::connect(&runtime, addresses).await?;
    let hang_up = match &stream {
        AsyncTcpStream::Plain(plain) => HangUp::of(plain.get_ref())?,
        _ => HangUp(None),
    };
    if uri.scheme == AMQPScheme::AMQPS {
        stream = stream.into_tls(&host, OwnedTLSConfig::default().as_ref()).await?;
    }
    // The library asks again only after a failure, which it is then told.
    let once = Mutex::new(Some(stream));
    let take = async move |_, _| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let lapin = lapin::Connection::connector(uri, runtime, take, properties).await?;
    Ok(Connection { lapin, _hang_up: hang_up })
}

/// Ends the socket under the library's thread, which then ends as well.
#[derive(Debug)]
struct HangUp(Option<TcpStream>);

impl HangUp {
    fn of(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        Ok(Self(Some(stream.as_fd().try_clone_to_owned()?.into())))
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            // An error says that the peer was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

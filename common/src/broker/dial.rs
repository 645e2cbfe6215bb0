//! The socket of a connection is opened here and handed to the library. What the library begins itself and
//! cannot finish stays for ever: a task for every port that refuses, a thread for every peer that never
//! answers. With an outage of hours those add up (lapin issue 368 is the first of the two).

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};

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
    let connection = Connection::connector(uri, runtime, take, properties).await?;
    hang_up.disarm();
    Ok(connection)
}

/// Ends the socket under the library's thread, which then ends as well.
struct HangUp(Option<TcpStream>);

impl HangUp {
    fn of(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        Ok(Self(Some(stream.as_fd().try_clone_to_owned()?.into())))
    }

    fn disarm(mut self) {
        self.0 = None;
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

//! A server that sends back what it gets, a client of it behind a proxy, and how to wait for facts.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ordermill_chaos::proxy::{Proxy, Tally};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    /// How many connections the server has that were neither closed nor reset.
    open: Arc<AtomicUsize>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let (counter, tasks) = (Arc::clone(&open), TaskTracker::new());
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let counter = Arc::clone(&counter);
                tasks.spawn(async move {
                    echo(stream).await;
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { proxy, open }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.proxy.addr()).await
    }

    pub(crate) fn tally(&self) -> Tally {
        self.proxy.tally()
    }

    pub(crate) fn open_at_the_server(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 4096];
    while let Ok(length) = stream.read(&mut buffer).await {
        if length == 0 || stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

pub(crate) struct Client(TcpStream);

/// How a connection ended for its client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Closed,
    Reset,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// A reset link may refuse; the reading tells.
    pub(crate) async fn send(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes()).await;
    }

    /// Reads this many bytes.
    pub(crate) async fn get(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Sends and gets it back.
    pub(crate) async fn talks(&mut self) {
        self.send("hello").await;
        assert_eq!(self.get(5).await, "hello");
    }

    /// Reads to the end: what came, and how it ended.
    pub(crate) async fn rest(&mut self) -> (String, Ended) {
        let mut bytes = Vec::new();
        let ended = match self.0.read_to_end(&mut bytes).await {
            Ok(_) => Ended::Closed,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ended::Reset,
            Err(error) => panic!("{error}"),
        };
        (String::from_utf8(bytes).unwrap(), ended)
    }

    pub(crate) async fn is_reset(&mut self) {
        assert_eq!(self.rest().await, (String::new(), Ended::Reset));
    }

    pub(crate) async fn hang_up(&mut self) {
        self.0.shutdown().await.unwrap();
    }
}

//! A cable between us and a server that can be cut, go silent, or lose what is sent from some byte on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the cable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// Carries everything.
    Whole,
    /// Every connection is reset and none is made.
    Cut,
    /// Connections are made and stay open, and carry nothing; what is sent is swallowed. The server is told when
    /// the near end closes, and the near end nothing.
    Silent,
    /// As silent, but the server hears everything: only what it answers is swallowed.
    Deaf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

#[derive(Debug, Clone, Copy)]
struct State {
    cable: Cable,
    /// How often it went silent and deaf, so that nobody misses a short time of that.
    silences: u32,
    deafnesses: u32,
}

impl State {
    const WHOLE: Self = Self { cable: Cable::Whole, silences: 0, deafnesses: 0 };

    /// Whether what goes this way is swallowed.
    fn swallows(&self, way: Way) -> bool {
        self.cable == Cable::Silent || (self.cable == Cable::Deaf && way == Way::ToClient)
    }

    /// Whether it was for a while since then.
    fn has_swallowed(&self, way: Way, since: &Self) -> bool {
        let has_been_deaf = self.deafnesses > since.deafnesses;
        self.silences > since.silences || (has_been_deaf && way == Way::ToClient)
    }
}

/// The near end. It ends with the test's runtime.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    cable: Arc<watch::Sender<State>>,
    /// How many bytes the server may still get.
    allowance: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// Lies before the server of this URL.
    pub async fn before(url: &str) -> Self {
        let target = split(url).1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let cable = Arc::new(watch::channel(State::WHOLE).0);
        let state = Arc::clone(&cable);
        let allowance = Arc::new(AtomicUsize::new(usize::MAX));
        let allowed = Arc::clone(&allowance);
        let unlimited = Arc::new(AtomicUsize::new(usize::MAX));
        let (made, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counting, living) = (Arc::clone(&made), Arc::clone(&open));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if state.borrow().cable == Cable::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target).await else { continue };
                counting.fetch_add(1, Ordering::SeqCst);
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let heard = (Way::ToServer, state.subscribe());
                let to_server = carry(near_in, far_out, Arc::clone(&allowed), heard);
                let answered = (Way::ToClient, state.subscribe());
                let to_client = carry(far_in, near_out, Arc::clone(&unlimited), answered);
                let living = Arc::clone(&living);
                tokio::spawn(async move {
                    living.fetch_add(1, Ordering::SeqCst);
                    to_server.await;
                    living.fetch_sub(1, Ordering::SeqCst);
                });
                tokio::spawn(async move {
                    if let Some(_unheard) = to_client.await {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, cable, allowance, made, open }
    }

    /// The address of the near end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL, with the near end's address instead of the server's.
    pub fn url(&self, url: &str) -> String {
        let (user, _, rest) = split(url);
        format!("{user}@{}/{rest}", self.address)
    }

    /// Connections that were made through it so far.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// Connections whose near end is not closed.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Changes the cable, for the connections that are there and for those that come.
    pub fn set(&self, cable: Cable) {
        self.cable.send_modify(|state| {
            state.cable = cable;
            state.silences += u32::from(cable == Cable::Silent);
            state.deafnesses += u32::from(cable == Cable::Deaf);
        });
    }

    /// The server gets this many bytes more from all connections together; what comes after them is swallowed. It is
    /// heard as before. `usize::MAX` ends it for connections that come.
    pub fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::SeqCst);
    }
}

/// How much of this many bytes may pass; `usize::MAX` allows everything for ever.
fn pass(allowance: &AtomicUsize, length: usize) -> usize {
    let spend = |left: usize| (left != usize::MAX).then(|| left.saturating_sub(length));
    match allowance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
        Ok(left) => left.min(length),
        Err(_) => length,
    }
}

/// What is before the `@`, the server's address, and what is after the `/`.
fn split(url: &str) -> (&str, &str, &str) {
    let (user, rest) = url.rsplit_once('@').expect("the URL has a user");
    let (address, rest) = rest.split_once('/').expect("the URL has a path");
    (user, address, rest)
}

/// Ends when the cable is cut, or one end is gone; answers the way to the other if it must not hear of that.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    allowance: Arc<AtomicUsize>,
    (way, mut cable): (Way, watch::Receiver<State>),
) -> Option<OwnedWriteHalf> {
    let mut buffer = vec![0; 64 * 1024];
    // What was cut or swallowed once never heals: bytes are missing.
    let first = *cable.borrow_and_update();
    // It may have been cut while the far end was connected.
    if first.cable == Cable::Cut {
        return None;
    }
    let mut swallows = first.swallows(way);
    loop {
        tokio::select! {
            // What is sent after a change meets it.
            biased;
            changed = cable.changed() => {
                let state = *cable.borrow_and_update();
                if changed.is_err() || state.cable == Cable::Cut {
                    return None;
                }
                swallows |= state.has_swallowed(way, &first);
            }
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return swallows.then_some(to),
                Ok(_) if swallows => {}
                Ok(length) => {
                    let passed = pass(&allowance, length);
                    swallows |= passed < length;
                    if to.write_all(&buffer[..passed]).await.is_err() {
                        return None;
                    }
                }
            },
        }
    }
}

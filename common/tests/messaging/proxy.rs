//! A cable between us and the broker that can be cut, or go silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Carries everything.
    Whole,
    /// Every connection is reset and none is made.
    Cut,
    /// Connections stay open and carry nothing; what is sent is swallowed.
    Silent,
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    cable: Arc<watch::Sender<Cable>>,
    made: Arc<AtomicUsize>,
}

impl Proxy {
    /// Lies before the broker of this URL.
    pub(crate) async fn before(amqp_url: &str) -> Self {
        let (_, rest) = amqp_url.rsplit_once('@').expect("AMQP_URL has a user");
        let target = rest.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cable = Arc::new(watch::channel(Cable::Whole).0);
        let state = Arc::clone(&cable);
        let made = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&made);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() == Cable::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target).await else { continue };
                counting.fetch_add(1, Ordering::SeqCst);
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, state.subscribe()));
                tokio::spawn(carry(far_in, near_out, state.subscribe()));
            }
        });
        Self { address, cable, made }
    }

    /// Connections that were made through it so far.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, cable: Cable) {
        self.cable.send_replace(cable);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cable: watch::Receiver<Cable>) {
    let mut buffer = vec![0; 64 * 1024];
    // What was cut or swallowed once never heals: bytes are missing.
    let mut swallows = false;
    loop {
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if swallows => {}
                Ok(length) => if to.write_all(&buffer[..length]).await.is_err() { return },
            },
            changed = cable.changed() => {
                let state = *cable.borrow_and_update();
                if changed.is_err() || state == Cable::Cut {
                    return;
                }
                swallows |= state == Cable::Silent;
            }
        }
    }
}

//! A cable between a process of the shop and the broker, which a story cuts and mends.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::database::server;

/// Lies before the tests' broker; it ends with the story.
#[derive(Debug)]
pub struct Cable {
    url: String,
    whole: watch::Sender<bool>,
}

impl Cable {
    /// A whole one.
    pub async fn lay() -> Self {
        let broker = server("AMQP_URL");
        let (head, rest) = broker.rsplit_once('@').expect("AMQP_URL has a user");
        let (target, vhost) = rest.split_once('/').expect("AMQP_URL has a virtual host");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let near = listener.local_addr().expect("it is bound");
        let whole = watch::Sender::new(true);
        let carrying = carry_all(listener, target.to_owned(), whole.subscribe());
        #[expect(clippy::disallowed_methods, reason = "it ends with the story's runtime")]
        tokio::spawn(carrying);
        Self { url: format!("{head}@{near}/{vhost}"), whole }
    }

    /// The broker's address behind it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Every connection is closed, and none is made.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Connections are made again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry_all(listener: TcpListener, target: String, whole: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        #[expect(clippy::disallowed_methods, reason = "it ends with the story's runtime")]
        tokio::spawn(carry(near, target.clone(), whole.clone()));
    }
}

async fn carry(mut near: TcpStream, target: String, mut whole: watch::Receiver<bool>) {
    if !*whole.borrow_and_update() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = whole.changed() => {}
    }
}

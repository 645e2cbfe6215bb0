//! How a publisher or a consumer stands with the broker, for health answers and for waiting.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// How one of our connections stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected; says why, fit for operators.
    Down(Arc<str>),
    /// Connected, its queues declared.
    Connected,
    /// Connected, but the broker takes no messages at the moment; says why.
    Blocked(Arc<str>),
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(why) => write!(f, "down: {why}"),
            Self::Connected => f.write_str("connected"),
            Self::Blocked(why) => write!(f, "blocked: {why}"),
        }
    }
}

/// Reads the state of one connection; cheap to clone.
#[derive(Debug, Clone)]
pub struct Link(watch::Receiver<LinkState>);

impl Link {
    /// The state now.
    pub fn state(&self) -> LinkState {
        self.0.borrow().clone()
    }

    /// Whether it is connected and not blocked.
    pub fn is_open(&self) -> bool {
        *self.0.borrow() == LinkState::Connected
    }

    /// Waits until it is open; `false` when its owner has ended and it never will be.
    pub async fn until_open(&mut self) -> bool {
        self.0.wait_for(|state| *state == LinkState::Connected).await.is_ok()
    }

    /// Waits until its state has changed since this clone was made or was last told; `false` when its owner has
    /// ended. Misses no opening, also when it is dropped while it waits.
    pub(crate) async fn until_changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// The owner's end.
#[derive(Debug)]
pub(super) struct LinkOwner(watch::Sender<LinkState>);

/// Who waits for a task that is gone is told.
impl Drop for LinkOwner {
    fn drop(&mut self) {
        if !matches!(*self.0.borrow(), LinkState::Down(_)) {
            self.set(LinkState::Down("ended".into()));
        }
    }
}

impl LinkOwner {
    pub(super) fn new() -> Self {
        Self(watch::channel(LinkState::Down("not connected yet".into())).0)
    }

    pub(super) fn link(&self) -> Link {
        Link(self.0.subscribe())
    }

    /// Sets the state; readers wake only when it changed.
    pub(super) fn set(&self, state: LinkState) {
        self.0.send_if_modified(|now| {
            let changed = *now != state;
            *now = state;
            changed
        });
    }
}

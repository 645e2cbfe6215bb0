//! What a connection is doing, and since when. Its stream and its answers tell; all of them are polled by
//! the connection's one task.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::Patience;

#[derive(Debug, Clone, Copy)]
enum Doing {
    /// Nothing, since the last byte of an answer was taken.
    Idle(Instant),
    /// A head is on its way, since its first byte.
    Head(Instant),
    Answering,
}

#[derive(Debug)]
pub(super) struct Pulse(Mutex<Doing>);

/// A request is being answered for as long as this lives.
pub(super) struct Answering(Arc<Pulse>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Doing::Idle(Instant::now())))
    }

    pub(super) fn answering(self: Arc<Self>) -> Answering {
        *self.doing() = Doing::Answering;
        Answering(self)
    }

    /// Ready when the client has used its patience up.
    pub(super) fn poll_slow(
        &self,
        patience: Patience,
        mut alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let end = match *self.doing() {
            Doing::Idle(since) => since + patience.idle,
            Doing::Head(since) => since + patience.head,
            Doing::Answering => return Poll::Pending,
        };
        if alarm.deadline() != end {
            alarm.as_mut().reset(end);
        }
        alarm.poll(cx)
    }

    fn came(&self) {
        let mut doing = self.doing();
        if matches!(*doing, Doing::Idle(_)) {
            *doing = Doing::Head(Instant::now());
        }
    }

    fn went(&self) {
        let mut doing = self.doing();
        if matches!(*doing, Doing::Idle(_)) {
            *doing = Doing::Idle(Instant::now());
        }
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *self.0.doing() = Doing::Idle(Instant::now());
    }
}

/// The stream, telling the pulse of each byte.
pub(super) struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.pulse.went();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.pulse.went();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

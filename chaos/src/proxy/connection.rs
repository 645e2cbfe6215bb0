//! Taking connections, and the life of one.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Direction;
use super::faults::Faults;
use super::pump::{Broken, Pump};
use super::tally::Counts;

/// What both directions of a connection know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    lost_to_server: AtomicBool,
    lost_to_client: AtomicBool,
    /// The next answer is to be lost.
    pub(super) answer_due: AtomicBool,
}

impl Shared {
    /// Whether bytes of this direction, or the end of them, were lost.
    pub(super) fn lost(&self, direction: Direction) -> &AtomicBool {
        match direction {
            Direction::ToClient => &self.lost_to_client,
            Direction::ToServer | Direction::Both => &self.lost_to_server,
        }
    }
}

/// Takes connections until the proxy is dropped.
pub(super) async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    faults: watch::Receiver<Faults>,
    counts: Counts,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((near, _)) = accepted else {
            // The client is gone again, or there is no descriptor left; nothing tells when there is.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        counts.note(|tally| tally.connections += 1);
        let (faults, counts, stop) = (faults.clone(), counts.clone(), stop.clone());
        let at_start = faults.borrow().clone();
        if at_start.cut {
            counts.note(|tally| tally.refused += 1);
            reset(near);
            continue;
        }
        tasks.spawn(async move {
            counts.note(|tally| tally.open += 1);
            live(near, target, faults, at_start.resets, &counts, stop).await;
            counts.note(|tally| tally.open -= 1);
        });
    }
}

async fn live(
    mut near: TcpStream,
    target: SocketAddr,
    mut faults: watch::Receiver<Faults>,
    resets: u64,
    counts: &Counts,
    stop: CancellationToken,
) {
    let links = faults.clone();
    let ending = async {
        tokio::select! {
            cut = faults.wait_for(|now| now.cut || now.resets != resets) => {
                if cut.is_ok() {
                    counts.note(|tally| tally.cut += 1);
                }
            }
            () = stop.cancelled() => {}
        }
    };
    tokio::pin!(ending);
    let connected = tokio::select! {
        connected = TcpStream::connect(target) => connected,
        () = &mut ending => return reset(near),
    };
    let Ok(mut far) = connected else {
        counts.note(|tally| tally.unreached += 1);
        return reset(near);
    };
    let whole = tokio::select! {
        ended = carry(&mut near, &mut far, links, counts) => ended.is_ok(),
        () = &mut ending => false,
    };
    if !whole {
        reset(near);
        reset(far);
    }
}

/// Carries both ways until both ends have closed, or the connection breaks.
async fn carry(
    near: &mut TcpStream,
    far: &mut TcpStream,
    faults: watch::Receiver<Faults>,
    counts: &Counts,
) -> Result<(), Broken> {
    // Our own waiting for more to send would look like a fault.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let shared = Shared::default();
    let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
    let to_server = Pump::new(Direction::ToServer, &shared, faults.clone(), counts);
    let to_client = Pump::new(Direction::ToClient, &shared, faults, counts);
    tokio::try_join!(to_server.run(near_in, far_out), to_client.run(far_in, near_out))?;
    Ok(())
}

/// Closes with RST, so that the peer sees a broken connection and not an end.
fn reset(stream: TcpStream) {
    // A socket that is dead already needs no reset.
    let _ = stream.set_zero_linger();
    drop(stream);
}

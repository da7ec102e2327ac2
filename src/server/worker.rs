//! One thread of the data plane: its own runtime, its own listeners, its own connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::doors::Handler;
use crate::observe::metrics;
use crate::upstream::Tunnels;

use super::connection::{Entrance, Line, Terms};
use super::listen::{Bound, Listener};
use super::trust::Seldom;

/// How long to pause when the system has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What a worker needs besides its handler.
pub(super) struct Post {
    pub listeners: Vec<(Bound, Entrance)>,
    pub terms: Arc<Terms>,
    /// Room for connections, over all workers.
    pub room: Arc<Semaphore>,
    /// Ends everything at once.
    pub end: CancellationToken,
    pub tunnels: Tunnels,
}

/// Runs a worker on the calling thread until it is drained or ended.
///
/// # Errors
/// When the runtime cannot be built or a listener cannot be taken over.
pub(super) fn run<H: Handler>(post: Post, make_handler: impl FnOnce() -> H) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let end = post.end.clone();
        let Post { listeners, terms, room, tunnels, .. } = post;
        let drain = Arc::clone(&terms.drain);
        let line = Arc::new(Line::new(make_handler(), terms));
        let connections = TaskTracker::new();
        for (listener, entrance) in listeners {
            let listener = listener.take_over()?;
            let accept =
                accept(listener, entrance, Arc::clone(&line), Arc::clone(&room), connections.clone());
            let drain = Arc::clone(&drain);
            connections.spawn(async move {
                tokio::select! {
                    () = drain.begun() => {}
                    () = accept => {}
                }
            });
        }
        drain.begun().await;
        connections.close();
        tokio::select! {
            () = end.cancelled() => {}
            () = async { connections.wait().await; tunnels.ended().await } => {}
        }
        Ok(())
    })
}

/// Accepts for ever. The caller ends it by dropping it, which closes the listener.
pub(super) async fn accept<H: Handler>(
    listener: Listener,
    entrance: Entrance,
    line: Arc<Line<H>>,
    room: Arc<Semaphore>,
    connections: TaskTracker,
) {
    let (entrance, warned) = (Arc::new(entrance), Seldom::default());
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                // Only now: a listener that waits for clients must not hold a place that another needs.
                let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                    return;
                };
                let (line, entrance) = (Arc::clone(&line), Arc::clone(&entrance));
                connections.spawn(async move {
                    let _open = Open::new(place);
                    line.serve(socket, address, &entrance).await;
                });
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                metrics().limited("accept");
                if warned.now() {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A connection that takes a place and is counted, however it ends.
struct Open {
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(place: OwnedSemaphorePermit) -> Self {
        metrics().connections.inc();
        Self { _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics().connections.dec();
    }
}

/// Whether an error of `accept` is about that one connection, not about us.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

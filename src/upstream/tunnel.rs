//! Upgraded connections: counted, bounded, and ended when they must be.
//!
//! hyper forgets a connection once it is upgraded, so this registry is what knows of it: drain asks it
//! to take leave and waits for it, and its deadline cuts it.

use std::any::Any;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::relay::{self, Farewell};
use super::watch::InSight;

/// Most tunnels at once, over all workers.
const MOST: usize = 16 * 1024;

/// All tunnels of the process. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct Tunnels {
    open: TaskTracker,
    leave: CancellationToken,
    cut: CancellationToken,
    room: Arc<Semaphore>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            open: TaskTracker::new(),
            leave: CancellationToken::new(),
            cut: CancellationToken::new(),
            room: Arc::new(Semaphore::new(MOST)),
        }
    }
}

/// Room for one tunnel.
pub(super) struct Slot {
    _room: OwnedSemaphorePermit,
}

/// What has to stay for as long as the tunnel does: the client's connection must not count as idle.
#[derive(Clone)]
pub struct Kept {
    _what: Arc<dyn Any + Send + Sync>,
}

impl Kept {
    pub fn new(what: impl Any + Send + Sync) -> Self {
        Self { _what: Arc::new(what) }
    }
}

impl Tunnels {
    /// How many are open now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Lets no further tunnel open, and takes leave of those that are: both sides hear that we are
    /// going away (RFC 6455, 7.4.1: 1001).
    pub fn take_leave(&self) {
        self.refuse_more();
        self.leave.cancel();
    }

    /// Ends every tunnel now.
    pub fn cut(&self) {
        self.refuse_more();
        self.cut.cancel();
    }

    fn refuse_more(&self) {
        self.room.close();
        self.open.close();
    }

    /// Returns once the last one has ended. Only after [`Tunnels::take_leave`].
    pub async fn ended(&self) {
        self.open.wait().await;
    }

    pub(super) fn reserve(&self) -> Option<Slot> {
        Arc::clone(&self.room).try_acquire_owned().ok().map(|room| Slot { _room: room })
    }

    /// Runs a tunnel in a task of its own, until it ends by itself or must end. `ends` gives both
    /// sockets once both have switched, and what has to stay meanwhile.
    pub(super) fn open<C, U>(
        &self,
        slot: Slot,
        watched: Option<InSight>,
        ends: impl Future<Output = Option<(C, U, Option<Kept>)>> + Send + 'static,
    ) where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        U: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (leave, cut) = (self.leave.clone(), self.cut.clone());
        self.open.spawn(async move {
            let _slot = slot;
            let farewell = async {
                tokio::select! {
                    () = leave.cancelled() => Farewell::GOING_AWAY,
                    farewell = over(watched) => farewell,
                }
            };
            let relay = async {
                if let Some((client, upstream, _kept)) = ends.await {
                    relay::run(client, upstream, farewell).await;
                }
            };
            tokio::select! {
                () = cut.cancelled() => {}
                () = relay => {}
            }
        });
    }
}

async fn over(watched: Option<InSight>) -> Farewell {
    match watched {
        Some(watched) => Farewell::of(poll_fn(|cx| watched.poll_over(cx)).await),
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn the_registry_counts_cuts_and_refuses() {
        let tunnels = Tunnels::default();
        let (_client, client_end) = duplex(8);
        let (_app, app_end) = duplex(8);
        let slot = tunnels.reserve().unwrap();
        tunnels.open(slot, None, async { Some((client_end, app_end, None)) });
        assert_eq!(tunnels.count(), 1);
        tunnels.refuse_more();
        assert!(tunnels.reserve().is_none());
        tunnels.cut();
        tunnels.ended().await;
        assert_eq!(tunnels.count(), 0);
    }
}

//! The data plane: listeners, TLS, HTTP versions, deadlines and drain.
//!
//! One current-thread runtime per worker, each with its own share of the connections, so that no
//! request crosses processors on its way. What a request means is not known here: a [`Handler`]
//! answers it. Nothing may wait here without a deadline or queue without a bound.

mod activity;
mod connection;
mod frames;
mod guarded;
mod listen;
pub mod operations;
pub mod reload;
mod shutdown;
#[cfg(test)]
mod tests;
mod tls;
mod tracked;
mod upkeep;
pub mod whole;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::config::settings::Timeouts;
use crate::doors::Handler;
use crate::upstream::Tunnels;

use connection::Drain;
use worker::Post;

pub use shutdown::Shutdown;

/// Most client connections at once, over all workers.
const MAX_CONNECTIONS: usize = 16 * 1024;
/// After the drain has begun: how long listening goes on, so that load balancers notice first.
const MAX_GRACE: Duration = Duration::from_secs(1);

/// Which worker a handler is made for, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// The data plane before it serves: everything that can fail at start has succeeded.
pub struct Plane {
    /// Per worker, one for each address.
    listeners: Vec<Vec<TcpListener>>,
    addresses: Vec<SocketAddr>,
    timeouts: Timeouts,
    drain_for: Duration,
    tls: Option<TlsAcceptor>,
    tunnels: Tunnels,
}

impl Plane {
    /// Opens all listeners and reads the certificate.
    ///
    /// # Errors
    /// When an address cannot be listened on or the certificate or key cannot be used.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        let server = &settings.server;
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = server.workers.unwrap_or_else(available).max(1);
        let tls = server.tls.as_ref().map(tls::acceptor).transpose()?;
        let mut listeners: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for address in &server.listen {
            let opened = listen::open(*address, workers)
                .map_err(|error| io::Error::new(error.kind(), format!("server.listen {address}: {error}")))?;
            addresses.extend(opened.first().map(TcpListener::local_addr).transpose()?);
            for (own, listener) in listeners.iter_mut().zip(opened) {
                own.push(listener);
            }
        }
        Ok(Self {
            listeners,
            addresses,
            timeouts: server.timeouts.clone(),
            drain_for: server.drain,
            tls,
            tunnels: Tunnels::default(),
        })
    }

    /// Where it listens, in the order of the configuration, with real ports.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    #[must_use]
    pub fn workers(&self) -> usize {
        self.listeners.len()
    }

    /// The registry of upgraded connections, for [`Forwarder::new`](crate::upstream::Forwarder::new).
    #[must_use]
    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    /// Serves until `shutdown`, then drains: returns once everything has ended, the time allowed
    /// has passed, or the second request to end has come.
    ///
    /// `make_handler` runs once on each worker's own runtime.
    ///
    /// # Errors
    /// When a worker cannot start.
    pub async fn serve<H, F>(self, make_handler: F, shutdown: Shutdown) -> io::Result<()>
    where
        H: Handler,
        F: Fn(WorkerId) -> H + Send + Sync + 'static,
    {
        let (drain, end) = (Arc::new(Drain::default()), CancellationToken::new());
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let make_handler = Arc::new(make_handler);
        let mut workers = tokio::task::JoinSet::new();
        for (index, listeners) in self.listeners.into_iter().enumerate() {
            let post = Post {
                listeners,
                timeouts: self.timeouts.clone(),
                tls: self.tls.clone(),
                room: Arc::clone(&room),
                drain: Arc::clone(&drain),
                end: end.clone(),
                tunnels: self.tunnels.clone(),
            };
            let make_handler = Arc::clone(&make_handler);
            let ended = spawn(index, move || worker::run(post, || make_handler(WorkerId(index))))?;
            workers.spawn(async move { ended.await.map_err(io::Error::other)? });
        }
        let failed = tokio::select! {
            () = shutdown.begun() => None,
            ended = workers.join_next() => ended,
        };
        if failed.is_none() {
            wait(MAX_GRACE.min(self.drain_for / 10), &shutdown).await;
        }
        drain.begin();
        self.tunnels.refuse_more();
        let drained = async { while workers.join_next().await.is_some() {} };
        tokio::select! {
            () = drained => {}
            () = wait(self.drain_for, &shutdown) => {
                tracing::info!(websockets = self.tunnels.count(), "ending connections that are still open");
            }
        }
        self.tunnels.cut();
        end.cancel();
        while workers.join_next().await.is_some() {}
        failed.map_or(Ok(()), |ended| ended.map_err(io::Error::other)?)
    }
}

async fn wait(period: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(period) => {}
        () = shutdown.at_once() => {}
    }
}

/// A named thread whose result can be awaited.
fn spawn(
    index: usize,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<tokio::sync::oneshot::Receiver<io::Result<()>>> {
    let (tell, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        // Nobody listens any more only after the deadline of the drain.
        let _ = tell.send(run());
    })?;
    Ok(ended)
}

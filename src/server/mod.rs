//! The data plane: listeners, TLS, HTTP versions, deadlines and drain.
//!
//! One current-thread runtime per worker, each with its own share of the connections, so that no
//! request crosses processors on its way. What a request means is not known here: a [`Handler`]
//! answers it. Nothing may wait here without a deadline or queue without a bound.

mod acme;
mod activity;
mod census;
mod connection;
mod frames;
mod guarded;
mod listen;
pub mod operations;
mod proxied;
pub mod reload;
mod shutdown;
mod socket;
pub mod supervisor;
#[cfg(test)]
mod tests;
mod tls;
mod tracked;
mod trust;
mod upkeep;
pub mod whole;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::config::settings::{Listen, ListenAddress, Server};
use crate::doors::Handler;
use crate::upstream::Tunnels;

use census::Census;
use connection::{Drain, Entrance, Terms};
use listen::{Bound, Unlink};
use tls::Tls;
use trust::Seldom;
use worker::Post;

pub use shutdown::Shutdown;
pub use tls::Certificates;
pub use trust::Trust;

/// After the drain has begun: how long listening goes on, so that load balancers notice first.
const MAX_GRACE: Duration = Duration::from_secs(1);

/// Which worker a handler is made for, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// The data plane before it serves: everything that can fail at start has succeeded.
pub struct Plane {
    /// Per worker, one for each address.
    listeners: Vec<Vec<(Bound, Entrance)>>,
    addresses: Vec<ListenAddress>,
    /// Files that go when nobody listens any more.
    files: Vec<Unlink>,
    terms: Arc<Terms>,
    most: usize,
    drain_for: Duration,
    tls: Option<Arc<Tls>>,
    /// Whether certificates are obtained by ACME.
    obtains: bool,
    tunnels: Tunnels,
}

impl Plane {
    /// Opens all listeners and reads the certificates.
    ///
    /// # Errors
    /// When an address cannot be listened on or a certificate or key cannot be used.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        let server = &settings.server;
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = server.workers.unwrap_or_else(available).max(1);
        let tls = server.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
        let mut plane = Self {
            listeners: (0..workers).map(|_| Vec::new()).collect(),
            addresses: Vec::new(),
            files: Vec::new(),
            terms: Arc::new(terms(server)),
            most: server.connections.most,
            drain_for: server.drain,
            tls,
            obtains: server.tls.as_ref().is_some_and(|tls| tls.acme.is_some()),
            tunnels: Tunnels::default(),
        };
        for listen in &server.listen {
            let address = &listen.address;
            plane
                .open(listen)
                .map_err(|error| io::Error::new(error.kind(), format!("server.listen {address}: {error}")))?;
        }
        Ok(plane)
    }

    fn open(&mut self, listen: &Listen) -> io::Result<()> {
        let entrance = Entrance {
            tls: self.tls.clone().filter(|_| listen.tls),
            proxy_protocol: listen.proxy_protocol,
            validations: self.certificates().filter(|_| !listen.tls && self.obtains).cloned(),
        };
        let opened = listen::open(&listen.address, self.listeners.len())?;
        self.files.extend(Unlink::new(&listen.address));
        self.addresses
            .extend(opened.first().map(|first| first.address(&listen.address)).transpose()?);
        for (own, listener) in self.listeners.iter_mut().zip(opened) {
            own.push((listener, entrance.clone()));
        }
        Ok(())
    }

    /// Where it listens, in the order of the configuration, with real ports.
    #[must_use]
    pub fn local_addrs(&self) -> &[ListenAddress] {
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

    /// Who may speak for others, for whoever reloads.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.terms.trust
    }

    /// The certificates in use, for whoever reloads.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.tls.as_ref().map(|tls| tls.certificates())
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
        let (terms, end) = (self.terms, CancellationToken::new());
        let room = Arc::new(Semaphore::new(self.most));
        let make_handler = Arc::new(make_handler);
        let mut workers = tokio::task::JoinSet::new();
        for (index, listeners) in self.listeners.into_iter().enumerate() {
            let post = Post {
                listeners,
                terms: Arc::clone(&terms),
                room: Arc::clone(&room),
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
        supervisor::stopping();
        if failed.is_none() {
            wait(MAX_GRACE.min(self.drain_for / 10), &shutdown).await;
        }
        drop(self.files);
        terms.drain.begin();
        self.tunnels.take_leave();
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

fn terms(server: &Server) -> Terms {
    Terms {
        timeouts: server.timeouts.clone(),
        max_header: server.max_header,
        trust: Trust::new(&server.trusted_proxies),
        census: Census::new(server.connections.per_address),
        drain: Arc::new(Drain::default()),
        strangers: Seldom::default(),
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

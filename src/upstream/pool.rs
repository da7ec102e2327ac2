//! Connections of one worker thread to one address: idle ones, last in first out, and shared ones.
//!
//! Every worker has its own pool, so nothing is shared between processors and the locks here are
//! never contended. A connection younger than its limits and proven idle goes back; everything
//! else is closed. Idle time stays below what servers commonly allow (Node closes after 5 s), so
//! that reuse rarely races with their close; age is bounded, so that changed addresses are followed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::channel::{Channel, Place};
use super::dial::{self, Fresh};
use super::error::{Fault, UpstreamError};
use super::health::Health;
use super::link::Link;
use super::origin::Target;
use super::socket::Socket;
use super::wire::Wire;

/// Bounds of a pool, per worker thread and upstream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections kept without a request.
    pub idle: usize,
    /// Connections in use at once; further requests are answered 503.
    pub in_use: usize,
    pub idle_for: Duration,
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            idle: 128,
            in_use: 2048,
            idle_for: Duration::from_secs(4),
            age: Duration::from_secs(30),
        }
    }
}

/// The connections to one address.
pub(super) struct Shelf {
    target: Arc<Target>,
    pub(super) health: Health,
    #[expect(clippy::vec_box, reason = "a link moves between pool and request as a pointer")]
    idle: Mutex<Vec<Box<Link>>>,
    /// HTTP/2; each may carry many requests.
    channels: Mutex<Vec<Arc<Channel>>>,
    /// Whether there is, or may be, anything in `channels`.
    multiplexes: AtomicBool,
    /// One connection is opened at a time where the next request could use it too.
    opening: tokio::sync::Mutex<()>,
    in_use: AtomicUsize,
    bounds: Bounds,
}

/// A connection in use, or a place on one. Dropping it closes the connection, or ends the stream;
/// [`Lease::give_back`] keeps the connection.
pub(super) struct Lease {
    link: Option<Box<Link>>,
    place: Option<Place>,
    shelf: Arc<Shelf>,
}

impl Shelf {
    pub(super) fn new(target: &Arc<Target>, bounds: Bounds) -> Self {
        Self {
            health: Health::default(),
            idle: Mutex::default(),
            channels: Mutex::default(),
            multiplexes: AtomicBool::new(target.may_multiplex()),
            opening: tokio::sync::Mutex::default(),
            in_use: AtomicUsize::new(0),
            bounds,
            target: Arc::clone(target),
        }
    }

    /// For the log.
    pub(super) fn address(&self) -> &str {
        &self.target.name
    }

    /// Requests in flight.
    pub(super) fn load(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// A place on an open connection, or the idle connection used last, if one is still fit.
    pub(super) fn reuse(self: &Arc<Self>) -> Option<Lease> {
        let mut lease = self.reserve().ok()?;
        let now = Instant::now();
        if self.multiplexes.load(Ordering::Relaxed) {
            lease.place = self.place(now);
            if lease.place.is_some() {
                return Some(lease);
            }
        }
        loop {
            let mut link = lock(&self.idle).pop()?;
            if self.bounds.allow(&link, now) && link.seems_idle() {
                (link.idled, link.since) = (now.duration_since(link.since), now);
                link.reuses = link.reuses.saturating_add(1);
                lease.link = Some(link);
                return Some(lease);
            }
        }
    }

    /// A fresh connection, or a place on one that was opened meanwhile. For an upgrade always a
    /// connection of its own.
    pub(super) async fn dial(
        self: &Arc<Self>,
        deadline: Duration,
        upgrade: bool,
    ) -> Result<Lease, UpstreamError> {
        let mut lease = self.reserve()?;
        timeout(deadline, self.open(&mut lease, upgrade))
            .await
            .map_err(|_| UpstreamError::unsent(Fault::ConnectTimeout))??;
        Ok(lease)
    }

    async fn open(&self, lease: &mut Lease, upgrade: bool) -> Result<(), UpstreamError> {
        let shared = !upgrade && self.multiplexes.load(Ordering::Relaxed);
        let _turn = if shared {
            Some(self.opening.lock().await)
        } else {
            None
        };
        if shared && let Some(place) = self.place(Instant::now()) {
            lease.place = Some(place);
            return Ok(());
        }
        match dial::dial(&self.target, upgrade).await? {
            Fresh::Http1(link) => {
                lease.link = Some(link);
                if !upgrade {
                    self.multiplexes.store(false, Ordering::Relaxed);
                }
            }
            Fresh::Http2(channel) => {
                self.multiplexes.store(true, Ordering::Relaxed);
                lease.place = channel.place(Instant::now(), self.bounds.age);
                lock(&self.channels).push(channel);
            }
        }
        Ok(())
    }

    fn place(&self, now: Instant) -> Option<Place> {
        lock(&self.channels)
            .iter()
            .find_map(|channel| channel.place(now, self.bounds.age))
    }

    fn reserve(self: &Arc<Self>) -> Result<Lease, UpstreamError> {
        if self.in_use.fetch_add(1, Ordering::Relaxed) >= self.bounds.in_use {
            self.in_use.fetch_sub(1, Ordering::Relaxed);
            return Err(UpstreamError::unsent(Fault::Busy));
        }
        Ok(Lease { link: None, place: None, shelf: Arc::clone(self) })
    }

    fn put(&self, mut link: Box<Link>) {
        let now = Instant::now();
        link.since = now;
        if !self.bounds.allow(&link, now) {
            return;
        }
        let mut idle = lock(&self.idle);
        if idle.len() < self.bounds.idle {
            idle.push(link);
        }
    }

    /// Closes what has idled too long, is too old, or was closed from the other side. A connection
    /// with requests on it lives as long as they do.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        lock(&self.idle).retain_mut(|link| self.bounds.allow(link, now) && link.is_idle());
        lock(&self.channels).retain(|channel| !channel.is_over(now, self.bounds.age));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bounds {
    fn allow(&self, link: &Link, now: Instant) -> bool {
        now.duration_since(link.since) < self.idle_for && now.duration_since(link.opened) < self.age
    }
}

impl Lease {
    /// The connection of HTTP/1.1, for as long as it is needed.
    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.link.as_deref_mut()
    }

    /// The connection where it is read by whoever waits.
    pub(super) fn wire(&mut self) -> Option<&mut Wire<Socket>> {
        self.link()?.wire().map(|(wire, _)| wire)
    }

    /// The same to look at.
    pub(super) fn as_wire(&self) -> Option<&Wire<Socket>> {
        self.link.as_deref()?.as_wire()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.shelf.target.tls.is_some()
    }

    /// The place on a connection of HTTP/2.
    pub(super) const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Keeps the connection for the next request if it is idle now, or becomes so by itself.
    pub(super) fn give_back(mut self) {
        let Some(mut link) = self.link.take() else { return };
        if link.seems_idle() || link.is_idle() {
            self.shelf.put(link);
        } else if link.has_task() {
            // Its task has not yet seen the end of the response that we have seen.
            tokio::spawn(async move {
                if link.ready().await {
                    self.shelf.put(link);
                }
            });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shelf.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Idle connections of one worker thread, last in first out.
//!
//! Every worker has its own pool, so nothing is shared between processors and the locks here are
//! never contended. A connection younger than its limits and proven idle goes back; everything
//! else is closed. Idle time stays below what servers commonly allow (Node closes after 5 s), so
//! that reuse rarely races with their close; age is bounded, so that changed addresses are followed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{Fault, UpstreamError};
use super::link::Link;

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

/// The connections to one upstream.
pub(super) struct Shelf {
    host: Box<str>,
    port: u16,
    #[expect(clippy::vec_box, reason = "a link moves between pool and request as a pointer")]
    idle: Mutex<Vec<Box<Link>>>,
    in_use: AtomicUsize,
    bounds: Bounds,
}

/// A connection in use. Dropping it closes the connection; [`Lease::give_back`] keeps it.
pub(super) struct Lease {
    link: Option<Box<Link>>,
    shelf: Arc<Shelf>,
}

impl Shelf {
    fn new(host: &str, port: u16, bounds: Bounds) -> Self {
        Self {
            host: host.into(),
            port,
            idle: Mutex::default(),
            in_use: AtomicUsize::new(0),
            bounds,
        }
    }

    /// The idle connection used last, if one is still fit.
    pub(super) fn reuse(self: &Arc<Self>) -> Option<Lease> {
        let mut lease = self.reserve().ok()?;
        let now = Instant::now();
        loop {
            let mut link = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if self.bounds.allow(&link, now) && link.seems_idle() {
                (link.idled, link.since) = (now.duration_since(link.since), now);
                link.reuses = link.reuses.saturating_add(1);
                lease.link = Some(link);
                return Some(lease);
            }
        }
    }

    /// A fresh connection.
    pub(super) async fn dial(self: &Arc<Self>, deadline: Duration) -> Result<Lease, UpstreamError> {
        let mut lease = self.reserve()?;
        lease.link = Some(Box::new(Link::dial(&self.host, self.port, deadline).await?));
        Ok(lease)
    }

    fn reserve(self: &Arc<Self>) -> Result<Lease, UpstreamError> {
        if self.in_use.fetch_add(1, Ordering::Relaxed) >= self.bounds.in_use {
            self.in_use.fetch_sub(1, Ordering::Relaxed);
            return Err(UpstreamError::unsent(Fault::Busy));
        }
        Ok(Lease { link: None, shelf: Arc::clone(self) })
    }

    fn put(&self, mut link: Box<Link>) {
        let now = Instant::now();
        link.since = now;
        if !self.bounds.allow(&link, now) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.bounds.idle {
            idle.push(link);
        }
    }

    /// Closes what has idled too long, is too old, or was closed from the other side.
    fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|link| self.bounds.allow(link, now) && link.is_idle());
    }
}

impl Bounds {
    fn allow(&self, link: &Link, now: Instant) -> bool {
        now.duration_since(link.since) < self.idle_for && now.duration_since(link.opened) < self.age
    }
}

impl Lease {
    /// The connection; only a lease that is being given back has none.
    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.link.as_deref_mut()
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

/// All shelves of one worker thread.
#[derive(Default)]
pub(super) struct Pool {
    /// By host, then by port: most hosts have one.
    shelves: Mutex<HashMap<Box<str>, Vec<Arc<Shelf>>>>,
    bounds: Bounds,
}

impl Pool {
    /// The shelf of an upstream. Their number is bounded by the configuration.
    pub(super) fn shelf(&self, host: &str, port: u16) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves
            .get(host)
            .and_then(|ports| ports.iter().find(|shelf| shelf.port == port))
        {
            return Arc::clone(shelf);
        }
        let shelf = Arc::new(Shelf::new(host, port, self.bounds));
        shelves.entry(host.into()).or_default().push(Arc::clone(&shelf));
        shelf
    }

    /// Sweeps every second for as long as the pool lives.
    pub(super) async fn keep_swept(pool: Weak<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Some(pool) = pool.upgrade() else { return };
            let shelves: Vec<_> = pool
                .shelves
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .flatten()
                .cloned()
                .collect();
            for shelf in &shelves {
                shelf.sweep();
            }
        }
    }
}

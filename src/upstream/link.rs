//! One connection to an upstream.
//!
//! For requests without a body the task that serves the client drives it ([`Wire`]): no channel between
//! tasks, no wake-ups across. A request body must flow even while nobody reads the response, so such a
//! request goes through hyper, in a task of its own. A connection never outlives the pool's bounds:
//! whoever holds a [`Link`] either gives it back idle or drops it, and dropping closes the socket.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::error::{Fault, UpstreamError};
use super::socket::{Meter, Socket};
use super::timer::LazyTimer;
use super::upload::Upload;
use super::wire::Wire;

/// Largest response header block.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Most that hyper reads at once.
const MAX_BUFFER: usize = 4 * MAX_HEADER_BYTES;
/// Most that comes before a response's headers are complete, interim responses and what is read
/// beyond them included.
const MAX_BEFORE_RESPONSE: usize = 2 * MAX_BUFFER;

/// An established HTTP/1.1 connection.
pub(super) struct Link {
    kind: Kind,
    meter: Arc<Meter>,
    pub(super) opened: Instant,
    /// When it was last taken into use or put away.
    pub(super) since: Instant,
    /// How long it had lain idle when it was taken into use.
    pub(super) idled: Duration,
    /// How often it has been taken from the shelf.
    pub(super) reuses: u32,
    pub(super) timer: LazyTimer,
}

/// Who moves the connection on.
enum Kind {
    /// Whoever waits for the response.
    Wire(Wire<Socket>),
    /// hyper, in a task that ends when the link is dropped.
    Task { sender: SendRequest<Upload>, _task: AbortOnDropHandle<hyper::Result<()>> },
    /// Nobody: it did not survive the change from one to the other.
    Gone,
}

/// How long a connection must have idled before its end is likely enough to keep a copy of the
/// request for. Busy connections are reused within microseconds.
const COPY_AFTER: Duration = Duration::from_millis(250);

impl Link {
    /// Whether the other side may have closed it unnoticed, and has to get a copy of the request for
    /// that reason. One that has been reused and lain idle only for moments has shown that it is kept
    /// open. A [`Wire`] does not use the request up.
    pub(super) fn may_be_stale(&self) -> bool {
        self.has_task() && (self.reuses <= 1 || self.idled >= COPY_AFTER)
    }

    /// Begins HTTP/1.1 on a socket.
    pub(super) fn open(socket: Socket, meter: Arc<Meter>) -> Self {
        let now = Instant::now();
        Self {
            kind: Kind::Wire(Wire::new(socket)),
            meter,
            opened: now,
            since: now,
            idled: Duration::ZERO,
            reuses: 0,
            timer: LazyTimer::default(),
        }
    }

    /// From here to the response's headers the upstream may send only so much.
    pub(super) fn await_response(&self) {
        self.meter.bound(MAX_BEFORE_RESPONSE);
    }

    /// The headers are there.
    pub(super) fn response_began(&self) {
        self.meter.release();
    }

    /// Whether the upstream sent too much before its response.
    pub(super) fn is_flooded(&self) -> bool {
        self.meter.is_spent()
    }

    /// The connection itself, where whoever waits moves it on; and the timer for that wait.
    pub(super) const fn wire(&mut self) -> Option<(&mut Wire<Socket>, &mut LazyTimer)> {
        match &mut self.kind {
            Kind::Wire(wire) => Some((wire, &mut self.timer)),
            _ => None,
        }
    }

    /// The same to look at.
    pub(super) const fn as_wire(&self) -> Option<&Wire<Socket>> {
        match &self.kind {
            Kind::Wire(wire) => Some(wire),
            _ => None,
        }
    }

    /// The way to the task, where there is one; and the timer.
    pub(super) const fn sender(&mut self) -> Option<(&mut SendRequest<Upload>, &mut LazyTimer)> {
        match &mut self.kind {
            Kind::Task { sender, .. } => Some((sender, &mut self.timer)),
            _ => None,
        }
    }

    /// Gives the connection a task of its own: a request body must flow even while nobody reads the
    /// response. With `upgrades`, a 101 hands the socket out.
    ///
    /// # Errors
    /// When it has ended meanwhile.
    pub(super) async fn detach(&mut self, upgrades: bool) -> Result<(), UpstreamError> {
        let wire = match std::mem::replace(&mut self.kind, Kind::Gone) {
            Kind::Wire(wire) => wire,
            other => {
                self.kind = other;
                return Ok(());
            }
        };
        let gone = UpstreamError::unsent(Fault::Broken);
        let socket = wire.into_io().ok_or(gone)?;
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEADER_BYTES)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| gone)?;
        let task = if upgrades {
            tokio::spawn(connection.with_upgrades())
        } else {
            tokio::spawn(connection)
        };
        self.kind = Kind::Task { sender, _task: AbortOnDropHandle::new(task) };
        Ok(())
    }

    pub(super) const fn has_task(&self) -> bool {
        matches!(self.kind, Kind::Task { .. })
    }

    /// Whether it was idle when it was last looked at. What has happened since shows when it is
    /// used: a request that cannot be written is not lost.
    pub(super) fn seems_idle(&self) -> bool {
        match &self.kind {
            Kind::Wire(wire) => wire.is_idle(),
            Kind::Task { sender, .. } => sender.is_ready() && !sender.is_closed(),
            Kind::Gone => false,
        }
    }

    /// Whether it is idle and open now: looks at the socket, where that is not a task's business.
    pub(super) fn is_idle(&mut self) -> bool {
        if let Kind::Wire(wire) = &mut self.kind {
            return wire.poll_ended(&mut Context::from_waker(Waker::noop())).is_pending();
        }
        self.seems_idle()
    }

    /// Waits a moment for a connection with its own task to be ready for another request. Where the
    /// response ended before the request did, it is not worth the wait.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.kind {
            Kind::Task { sender, .. } => {
                matches!(timeout(Duration::from_secs(1), sender.ready()).await, Ok(Ok(())))
            }
            _ => self.seems_idle(),
        }
    }
}

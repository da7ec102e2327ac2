//! One connection to an upstream, with or without a task of its own.
//!
//! For requests without a body the task that serves the client also drives this connection: no
//! channel between tasks, no wake-ups across. It never outlives the pool's bounds: whoever holds a
//! [`Link`] either gives it back idle or drops it, and dropping closes the socket.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::error::{Fault, UpstreamError};
use super::socket::{Meter, Socket};
use super::timer::LazyTimer;
use super::upload::Upload;

/// Largest response header block.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Most that hyper reads at once.
const MAX_BUFFER: usize = 4 * MAX_HEADER_BYTES;
/// Most that comes before a response's headers are complete, interim responses and what is read
/// beyond them included.
const MAX_BEFORE_RESPONSE: usize = 2 * MAX_BUFFER;

type Io = TokioIo<Socket>;

/// An established HTTP/1.1 connection.
pub(super) struct Link {
    sender: SendRequest<Upload>,
    /// Polled by whoever waits for the response, unless there is a task.
    own: Option<Box<Connection<Io, Upload>>>,
    /// Ends when the link is dropped.
    task: Option<AbortOnDropHandle<hyper::Result<()>>>,
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

/// How long a connection must have idled before its end is likely enough to keep a copy of the
/// request for. Busy connections are reused within microseconds.
const COPY_AFTER: Duration = Duration::from_millis(250);

impl Link {
    /// Whether the other side may have closed it unnoticed. One that has been reused and lain idle
    /// only for moments has shown that it is kept open.
    pub(super) fn may_be_stale(&self) -> bool {
        self.reuses <= 1 || self.idled >= COPY_AFTER
    }

    /// Begins HTTP/1.1 on a socket.
    pub(super) async fn open(socket: Socket, meter: Arc<Meter>) -> Result<Self, UpstreamError> {
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEADER_BYTES)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
        let now = Instant::now();
        Ok(Self {
            sender,
            own: Some(Box::new(connection)),
            task: None,
            meter,
            opened: now,
            since: now,
            idled: Duration::ZERO,
            reuses: 0,
            timer: LazyTimer::default(),
        })
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

    pub(super) const fn sender(&mut self) -> &mut SendRequest<Upload> {
        &mut self.sender
    }

    /// Gives the connection a task of its own: a request body must flow even while nobody reads the
    /// response. With `upgrades`, a 101 hands the socket out.
    pub(super) fn detach(&mut self, upgrades: bool) {
        let Some(connection) = self.own.take() else { return };
        let task = if upgrades {
            tokio::spawn(connection.with_upgrades())
        } else {
            tokio::spawn(connection)
        };
        self.task = Some(AbortOnDropHandle::new(task));
    }

    pub(super) const fn has_task(&self) -> bool {
        self.task.is_some()
    }

    /// Moves the connection on, if that is ours to do. Ready when it has ended; it is dropped then, and
    /// whoever waits for an answer on it hears that none will come.
    pub(super) fn poll_driver(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ended = match &mut self.own {
            Some(connection) => Pin::new(connection).poll(cx).is_ready(),
            None => self.task.is_none(),
        };
        if !ended {
            return Poll::Pending;
        }
        self.own = None;
        Poll::Ready(())
    }

    /// Whether it was idle when it was last looked at. What has happened since shows when it is
    /// used: a request that cannot be written comes back whole.
    pub(super) fn seems_idle(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Whether it is idle and open now: looks at the socket.
    pub(super) fn is_idle(&mut self) -> bool {
        self.poll_driver(&mut Context::from_waker(Waker::noop())).is_pending() && self.seems_idle()
    }

    /// Waits a moment for a connection with its own task to be ready for another request. Where the
    /// response ended before the request did, it is not worth the wait.
    pub(super) async fn ready(&mut self) -> bool {
        matches!(timeout(Duration::from_secs(1), self.sender.ready()).await, Ok(Ok(())))
    }
}

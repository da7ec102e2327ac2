//! One connection to an upstream, with or without a task of its own.
//!
//! For requests without a body the task that serves the client also drives this connection: no
//! channel between tasks, no wake-ups across. It never outlives the pool's bounds: whoever holds a
//! [`Link`] either gives it back idle or drops it, and dropping closes the socket.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::error::{Fault, UpstreamError};
use super::timer::LazyTimer;
use super::upload::Upload;

/// Largest response header block.
const MAX_HEADER_BYTES: usize = 64 * 1024;

type Io = TokioIo<TcpStream>;

/// An established HTTP/1.1 connection.
pub(super) struct Link {
    sender: SendRequest<Upload>,
    /// Polled by whoever waits for the response, unless there is a task.
    own: Option<Box<Connection<Io, Upload>>>,
    /// Ends when the link is dropped.
    task: Option<AbortOnDropHandle<hyper::Result<()>>>,
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

    /// Connects within `deadline`, trying each address of the host in turn.
    pub(super) async fn dial(host: &str, port: u16, deadline: Duration) -> Result<Self, UpstreamError> {
        let connect = async {
            let stream = connect(host, port).await?;
            stream
                .set_nodelay(true)
                .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
            let (sender, connection) = Builder::new()
                .max_header_size(MAX_HEADER_BYTES)
                .max_buf_size(4 * MAX_HEADER_BYTES)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
            Ok((sender, connection))
        };
        let (sender, connection) = timeout(deadline, connect)
            .await
            .map_err(|_| UpstreamError::unsent(Fault::ConnectTimeout))??;
        let now = Instant::now();
        Ok(Self {
            sender,
            own: Some(Box::new(connection)),
            task: None,
            opened: now,
            since: now,
            idled: Duration::ZERO,
            reuses: 0,
            timer: LazyTimer::default(),
        })
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

async fn connect(host: &str, port: u16) -> Result<TcpStream, UpstreamError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = tokio::net::lookup_host((bare, port))
        .await
        .map_err(|_| UpstreamError::unsent(Fault::Unresolved))?
        .peekable();
    if addresses.peek().is_none() {
        return Err(UpstreamError::unsent(Fault::Unresolved));
    }
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(UpstreamError::unsent(Fault::Unreachable))
}

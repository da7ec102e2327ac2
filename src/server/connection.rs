//! One connection from its first byte to its last: TLS, the version of HTTP, deadlines, the end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Timeouts;
use crate::doors::Handler;
use crate::upstream::Peer;
use crate::upstream::timer::LazyTimer;

use super::activity::{Activity, Due};
use super::frames::PREFACE;
use super::guarded::{Guarded, Stream};
use super::tracked::Tracked;

/// Request header block and lines (security.md D08).
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// Between this and the socket hyper buffers in either direction.
const MAX_BUFFER: usize = 128 * 1024;
/// HTTP/2: header list (D03), streams and windows; small windows bound the memory of a connection.
const MAX_HEADER_LIST: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Streams reset by the client before we looked at them (D01), and by us for its errors (D02).
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 64;
/// TLS handshakes at once in one worker; more wait, under the same deadline.
const MAX_HANDSHAKES: usize = 64;
/// After saying goodbye to an idle connection, how long the client may take to hear it.
const GOODBYE: Duration = Duration::from_secs(1);

/// That connections are to end once their requests have.
#[derive(Debug, Default)]
pub(super) struct Drain {
    flag: AtomicBool,
    token: CancellationToken,
}

impl Drain {
    pub(super) fn begin(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    pub(super) async fn begun(&self) {
        self.token.cancelled().await;
    }
}

/// What all connections of one worker share.
pub(super) struct Line<H> {
    handler: Arc<H>,
    timeouts: Timeouts,
    tls: Option<TlsAcceptor>,
    handshakes: Semaphore,
    drain: Arc<Drain>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<H: Handler> Line<H> {
    pub(super) fn new(handler: H, timeouts: Timeouts, tls: Option<TlsAcceptor>, drain: Arc<Drain>) -> Self {
        Self {
            handler: Arc::new(handler),
            timeouts,
            tls,
            handshakes: Semaphore::new(MAX_HANDSHAKES),
            drain,
            http1: http1_builder(),
            http2: http2_builder(),
        }
    }

    /// Serves one accepted connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, address: SocketAddr) {
        // Without it small responses wait for acknowledgements; a socket that refuses is dead.
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let Ok(Ok(opened)) = timeout(self.timeouts.handshake, self.open(socket)).await else {
            tracing::debug!(peer = %address, "connection ended before it said what it wants");
            return;
        };
        let tls = matches!(opened.stream, Stream::Tls(_));
        let peer = Peer { address, tls };
        let activity = Activity::new(&self.timeouts);
        let io =
            TokioIo::new(Guarded::new(opened.stream, opened.prefix, opened.http2, Arc::clone(&activity)));
        if opened.http2 {
            let service = service_fn(|request| self.answer(request, peer, &activity, true));
            let connection = self.http2.serve_connection(io, service);
            self.watch(connection, http2::Connection::graceful_shutdown, &activity).await;
        } else {
            let service = service_fn(|request| self.answer(request, peer, &activity, false));
            let connection = self.http1.serve_connection(io, service).with_upgrades();
            self.watch(connection, http1::UpgradeableConnection::graceful_shutdown, &activity)
                .await;
        }
    }

    /// Called when a header block is complete; the request is in flight until its body is dropped.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        activity: &Arc<Activity>,
        http2: bool,
    ) -> impl Future<Output = Result<Response<Tracked>, Infallible>> + Send + use<H> {
        let in_flight = activity.begin_request();
        let handler = Arc::clone(&self.handler);
        async move {
            let response = handler.handle(request, peer).await;
            Ok(response.map(|body| Tracked::new(body, in_flight, http2)))
        }
    }

    async fn open(&self, socket: TcpStream) -> io::Result<Opened> {
        let Some(tls) = &self.tls else {
            return peek(socket).await;
        };
        let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
        let stream = tls.accept(socket).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Opened { stream: Stream::Tls(Box::new(stream)), prefix: Bytes::new(), http2 })
    }

    /// Polls a connection until it ends, is overdue, or has been drained.
    async fn watch<C: Future>(&self, connection: C, say_goodbye: fn(Pin<&mut C>), activity: &Activity) {
        let mut connection = pin!(connection);
        let mut drained = pin!(self.drain.begun());
        let mut timer = LazyTimer::default();
        let (mut registered, mut leaving, mut gone_by) = (false, false, None::<Instant>);
        poll_fn(|cx| {
            if !registered {
                // Once is enough: the waker of this task does not change.
                registered = true;
                let _ = drained.as_mut().poll(cx);
            }
            if !leaving && self.drain.flag.load(Ordering::Relaxed) {
                leaving = true;
                say_goodbye(connection.as_mut());
            }
            loop {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let Some(look) = gone_by.or_else(|| activity.next_look()) else {
                    return Poll::Pending;
                };
                if timer.is_armed_for(look) || timer.poll_until(cx, look).is_pending() {
                    return Poll::Pending;
                }
                match activity.due() {
                    Some(Due::Overdue) => return Poll::Ready(()),
                    _ if gone_by.is_some() => return Poll::Ready(()),
                    Some(Due::Idle) => {
                        gone_by = Some(Instant::now() + GOODBYE);
                        say_goodbye(connection.as_mut());
                    }
                    None => {}
                }
            }
        })
        .await;
    }
}

/// A connection whose version of HTTP is known.
struct Opened {
    stream: Stream,
    prefix: Bytes,
    http2: bool,
}

/// Reads just enough of a cleartext connection to tell HTTP/2's preface from a request line.
async fn peek(mut socket: TcpStream) -> io::Result<Opened> {
    let mut start = [0; PREFACE.len()];
    let mut have = 0;
    loop {
        let (known, free) = start.split_at_mut(have);
        let http2 = known == PREFACE;
        if http2 || !PREFACE.starts_with(known) {
            let prefix = Bytes::copy_from_slice(known);
            return Ok(Opened { stream: Stream::Plain(socket), prefix, http2 });
        }
        match socket.read(free).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => have += more,
        }
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Deadlines are the wrapper's: hyper's own would also bound keep-alive, per request.
    builder
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_BUFFER);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS);
    builder
}

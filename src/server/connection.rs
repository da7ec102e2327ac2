//! One connection from its first byte to its last: PROXY header, TLS, the version of HTTP, deadlines,
//! the end.

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
use http::header::UPGRADE;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::settings::Timeouts;
use crate::doors::Handler;
use crate::identity::ClientCertificate;
use crate::observe::metrics;
use crate::upstream::timer::LazyTimer;
use crate::upstream::{Body, Kept, Peer};

use super::activity::{Activity, Due};
use super::census::{Census, Counted};
use super::frames::PREFACE;
use super::guarded::{Guarded, Stream};
use super::proxied;
use super::socket::Socket;
use super::tls::{Certificates, Shown, Tls};
use super::tracked::Tracked;
use super::trust::{Seldom, Trust};

/// Header lines of a request (security.md D08).
/// On HTTP/1.1 hyper has the same bound of its own and then keeps the lines on the stack; told the number, it
/// puts them on the heap for every request.
const MAX_HEADERS: usize = 100;
/// What HTTP/2 adds to each when it counts the size of a header block (RFC 9113, 6.5.2).
const LINE_OVERHEAD: usize = 32;
/// Between this and the socket hyper buffers in either direction.
const MAX_BUFFER: usize = 128 * 1024;
/// HTTP/2: streams and windows; small windows bound the memory of a connection.
const MAX_STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Streams reset by the client before we looked at them (D01), and by us for its errors (D02).
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 64;
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

/// What holds for every connection of a process, whichever listener it came through.
pub(super) struct Terms {
    pub timeouts: Timeouts,
    /// Bytes of a header block.
    pub max_header: usize,
    /// Who may send PROXY headers, and has no bound on connections.
    pub trust: Trust,
    pub census: Arc<Census>,
    pub drain: Arc<Drain>,
    /// Warnings about PROXY headers from strangers.
    pub strangers: Seldom,
}

/// What a listener begins its connections with.
#[derive(Default, Clone)]
pub(super) struct Entrance {
    pub tls: Option<Arc<Tls>>,
    pub proxy_protocol: bool,
    /// On a listener without TLS, where certificates are obtained: who answers validations by HTTP-01.
    pub validations: Option<Certificates>,
}

/// What all connections of one worker share.
pub(super) struct Line<H> {
    handler: Arc<H>,
    terms: Arc<Terms>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<H: Handler> Line<H> {
    pub(super) fn new(handler: H, terms: Arc<Terms>) -> Self {
        Self {
            handler: Arc::new(handler),
            http1: http1_builder(terms.max_header),
            http2: http2_builder(terms.max_header),
            terms,
        }
    }

    /// Serves one accepted connection to its end.
    pub(super) async fn serve(&self, socket: Socket, address: SocketAddr, entrance: &Entrance) {
        if socket.send_at_once().is_err() {
            return;
        }
        let opening = timeout(self.terms.timeouts.handshake, self.open(socket, address, entrance));
        let opened = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                return tracing::debug!(peer = %address, %error, "connection ended before it said what it wants");
            }
            Err(_) => return tracing::debug!(peer = %address, "connection did not say in time what it wants"),
        };
        let context = opened.context;
        let activity = Activity::new(&self.terms.timeouts);
        let http2 = context.http2;
        let io = TokioIo::new(Guarded::new(opened.stream, opened.prefix, http2, Arc::clone(&activity)));
        let service = service_fn(|request| self.answer(request, &context, &activity));
        if http2 {
            let connection = self.http2.serve_connection(io, service);
            self.watch(connection, http2::Connection::graceful_shutdown, &activity).await;
        } else {
            let connection = self.http1.serve_connection(io, service).with_upgrades();
            self.watch(connection, http1::UpgradeableConnection::graceful_shutdown, &activity)
                .await;
        }
    }

    /// Called when a header block is complete; the request is in flight until its body is dropped.
    fn answer(
        &self,
        mut request: Request<Incoming>,
        context: &Context,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<Tracked>, Infallible>> + Send + use<H> {
        let in_flight = activity.begin_request();
        if context.http2 && request.method() == Method::CONNECT {
            // A stream that becomes a WebSocket outlives its response, and the connection is not idle.
            request.extensions_mut().insert(Kept::new(activity.begin_request()));
        } else if let Some(counted) =
            context.counted.as_ref().filter(|_| request.headers().contains_key(UPGRADE))
        {
            // This connection ends when it becomes a WebSocket, but its client is still there.
            request.extensions_mut().insert(Kept::new(Arc::clone(counted)));
        }
        let handler = Arc::clone(&self.handler);
        let (peer, http2, early) = (context.peer, context.http2, context.early(&request));
        if let Some(device) = &context.device {
            request.extensions_mut().insert(Arc::clone(device));
        }
        async move {
            let response = match early {
                None => handler.handle(request, peer).await,
                Some(response) => response,
            };
            Ok(response.map(|body| Tracked::new(body, in_flight, http2)))
        }
    }

    /// Everything before the first request. The caller bounds its time.
    async fn open(&self, mut socket: Socket, address: SocketAddr, entrance: &Entrance) -> io::Result<Opened> {
        let mut peer = Peer { address, tls: entrance.tls.is_some() };
        if entrance.proxy_protocol {
            peer.address = self.announced(&mut socket, peer).await?.unwrap_or(address);
        }
        let counted = self.admit(peer)?;
        let mut context = Context {
            peer,
            http2: false,
            shown: None,
            device: None,
            validations: entrance.validations.clone(),
            counted: counted.map(Arc::new),
        };
        let Some(tls) = &entrance.tls else {
            let (stream, prefix, http2) = peek(socket).await?;
            context.http2 = http2;
            return Ok(Opened { stream, prefix, context });
        };
        // No line to wait in: whoever is silent would hold a place in it. Connections are bounded in all and
        // from one address.
        let accepted = tls.accept(socket).await?;
        context.http2 = accepted.http2;
        context.shown = accepted.shown;
        context.device = accepted.device;
        Ok(Opened { stream: Stream::Tls(Box::new(accepted.stream)), prefix: Bytes::new(), context })
    }

    /// Whose connection a balancer passes on.
    async fn announced(&self, socket: &mut Socket, peer: Peer) -> io::Result<Option<SocketAddr>> {
        if self.terms.trust.holds(peer.ip()) {
            return proxied::read(socket).await;
        }
        metrics().limited("proxy_protocol");
        if self.terms.strangers.now() {
            tracing::warn!(peer = %peer.address, "a peer that is not in server.trusted_proxies reached a PROXY protocol listener; such connections are closed");
        }
        Err(io::Error::other("not a trusted proxy"))
    }

    /// Counts a connection against its client's bound. This machine's own addresses and trusted
    /// proxies stand for many clients.
    fn admit(&self, peer: Peer) -> io::Result<Option<Counted>> {
        let address = peer.ip();
        if address.is_loopback() || address.is_unspecified() || self.terms.trust.holds(address) {
            return Ok(None);
        }
        self.terms.census.admit(address).map(Some).ok_or_else(|| {
            metrics().limited("connections_per_address");
            io::Error::other("too many connections from this address")
        })
    }

    /// Polls a connection until it ends, is overdue, or has been drained.
    async fn watch<C: Future>(&self, connection: C, say_goodbye: fn(Pin<&mut C>), activity: &Activity) {
        let mut connection = pin!(connection);
        let mut drained = pin!(self.terms.drain.begun());
        let mut timer = LazyTimer::default();
        let (mut registered, mut leaving, mut gone_by) = (false, false, None::<Instant>);
        poll_fn(|cx| {
            if !registered {
                // Once is enough: the waker of this task does not change.
                registered = true;
                let _ = drained.as_mut().poll(cx);
            }
            if !leaving && self.terms.drain.flag.load(Ordering::Relaxed) {
                leaving = true;
                say_goodbye(connection.as_mut());
            }
            loop {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                // HTTP/2 waits for an answer to its farewell, which a client may never give.
                if leaving && gone_by.is_none() && activity.waits_for_another() {
                    gone_by = Some(Instant::now() + GOODBYE);
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
    context: Context,
}

/// What stays the same for all requests of a connection.
struct Context {
    peer: Peer,
    http2: bool,
    shown: Option<Shown>,
    device: Option<Arc<ClientCertificate>>,
    validations: Option<Certificates>,
    counted: Option<Arc<Counted>>,
}

impl Context {
    /// The answer to what does not reach the gate: requests that this connection does not carry, and
    /// validations by an ACME server.
    fn early(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        // On HTTP/1 the parser has counted.
        if self.http2 && request.headers().len() > MAX_HEADERS {
            return Some(self.refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        if self.shown.as_ref().is_some_and(|shown| !shown.fits(request)) {
            return Some(self.refusal(StatusCode::MISDIRECTED_REQUEST));
        }
        let answer = self.validations.as_ref()?.validation(request.uri().path())?;
        (*request.method() == Method::GET).then(|| Response::new(Body::from(answer)))
    }

    fn refusal(&self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = status;
        if !self.http2 {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Reads just enough of a cleartext connection to tell HTTP/2's preface from a request line.
async fn peek(mut socket: Socket) -> io::Result<(Stream, Bytes, bool)> {
    let mut start = [0; PREFACE.len()];
    let mut have = 0;
    loop {
        let (known, free) = start.split_at_mut(have);
        let http2 = known == PREFACE;
        if http2 || !PREFACE.starts_with(known) {
            let prefix = Bytes::copy_from_slice(known);
            return Ok((Stream::Plain(socket), prefix, http2));
        }
        match socket.read(free).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => have += more,
        }
    }
}

fn http1_builder(max_header: usize) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Deadlines are the wrapper's: hyper's own would also bound keep-alive, per request.
    builder
        .header_read_timeout(None)
        .max_header_size(max_header)
        .max_buf_size(MAX_BUFFER);
    builder
}

fn http2_builder(max_header: usize) -> http2::Builder<TokioExecutor> {
    let list = u32::try_from(max_header + MAX_HEADERS * LINE_OVERHEAD).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(list)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .enable_connect_protocol()
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS);
    builder
}

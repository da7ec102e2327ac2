//! HTTP/2 connections to an upstream: shared by many requests, each on a stream of its own.
//!
//! Further connections are opened when the streams of one are used up. Nothing waits in line behind
//! a connection that may be dead: one that has ended, says that it will, or is old takes no new
//! request. It never outlives its streams.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::error::{Fault, UpstreamError};
use super::link::MAX_HEADER_BYTES;
use super::socket::Socket;
use super::upload::Upload;

/// Streams on one connection at most, whatever the upstream allows.
const MOST_STREAMS: usize = 100;
/// What one stream may hold unread.
const STREAM_WINDOW: u32 = 128 * 1024;
/// All streams together: readers that stopped must not hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
/// Bytes of a request body on their way, per stream.
const SEND_BUFFER: usize = 256 * 1024;
/// Silence on a connection with requests after which it is asked for a sign of life…
const PING_AFTER: Duration = Duration::from_secs(20);
/// …and how long that may take.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Channel {
    sender: SendRequest<Upload>,
    streams: AtomicUsize,
    /// What the upstream allows, as last heard.
    allowed: Arc<AtomicUsize>,
    /// Takes no new request.
    over: AtomicBool,
    opened: Instant,
    _task: AbortOnDropHandle<()>,
}

/// A place on a connection for one request; frees it when dropped.
pub(super) struct Place(Arc<Channel>);

impl Channel {
    /// Begins HTTP/2 on a socket.
    pub(super) async fn open(socket: Socket) -> Result<Arc<Self>, UpstreamError> {
        let (sender, mut connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .initial_max_send_streams(MOST_STREAMS)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PONG_WITHIN)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| UpstreamError::unsent(Fault::Unreachable))?;
        let allowed = Arc::new(AtomicUsize::new(MOST_STREAMS));
        let heard = Arc::clone(&allowed);
        let task = tokio::spawn(std::future::poll_fn(move |cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            heard.store(connection.current_max_send_streams(), Ordering::Relaxed);
            ended.map(drop)
        }));
        Ok(Arc::new(Self {
            sender,
            streams: AtomicUsize::new(0),
            allowed,
            over: AtomicBool::new(false),
            opened: Instant::now(),
            _task: AbortOnDropHandle::new(task),
        }))
    }

    /// A place, if there is one and the connection is fit for a request that begins now.
    pub(super) fn place(self: &Arc<Self>, now: Instant, age: Duration) -> Option<Place> {
        if self.is_over(now, age) {
            return None;
        }
        let most = self.allowed.load(Ordering::Relaxed).min(MOST_STREAMS);
        if self.streams.fetch_add(1, Ordering::Relaxed) >= most {
            self.streams.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }

    /// Whether it takes no new request any more.
    pub(super) fn is_over(&self, now: Instant, age: Duration) -> bool {
        self.over.load(Ordering::Relaxed) || self.sender.is_closed() || now.duration_since(self.opened) >= age
    }
}

impl Place {
    pub(super) fn sender(&self) -> SendRequest<Upload> {
        self.0.sender.clone()
    }

    /// Takes no new request: the upstream has refused one that it did not look at.
    pub(super) fn retire(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Puts a request that is ready for HTTP/1.1 into the form of HTTP/2: `Host` becomes `:authority`.
///
/// # Errors
/// When the host that was judged is no authority; it could not be sent as anything else.
pub(super) fn into_http2(request: &mut Request<Upload>, secure: bool) -> Result<(), UpstreamError> {
    let bad = UpstreamError::unsent(Fault::Broken);
    let host = request.headers_mut().remove(HOST).ok_or(bad)?;
    let mut parts = Parts::default();
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| bad)?);
    parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    let target = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| bad)?;
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(CONNECTION);
    Ok(())
}

/// The reverse, for a request that was not written.
pub(super) fn into_http1(request: &mut Request<Upload>) {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(host) = parts.authority
        && let Ok(host) = HeaderValue::from_str(host.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = parts.path_and_query.map_or_else(Uri::default, Uri::from);
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a10_the_judged_host_and_target_stay_what_they_are() {
        let mut request = Request::new(Upload::none());
        *request.uri_mut() = "/a%2e/b?c=d".parse().unwrap();
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("app.example.com:8443"));
        into_http2(&mut request, true).unwrap();
        assert_eq!(request.uri(), "https://app.example.com:8443/a%2e/b?c=d");
        assert!(request.headers().is_empty());
        into_http1(&mut request);
        assert_eq!(request.uri(), "/a%2e/b?c=d");
        assert_eq!(request.headers()[HOST], "app.example.com:8443");
    }
}

//! The socket as hyper sees it: below HTTP, above TLS.
//!
//! Bytes pass unchanged. What it adds is knowledge: that something was read, that an HTTP/2 header
//! block is incomplete, that the client does not take what is written. It forwards vectored writes,
//! or hyper would copy every response together.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::frames::Frames;
use super::socket::Socket;

/// Least speed of a client that keeps us waiting with a response (security.md R17).
const MIN_BYTES_PER_SECOND: u64 = 1024;

/// A connection with or without our own TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A stream under deadlines.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: Stream,
    /// Read already, to find out which version of HTTP this is.
    prefix: Bytes,
    frames: Option<Frames>,
    activity: Arc<Activity>,
    blocked: Blocked,
}

/// How long the client has kept us waiting with bytes to write, and what it took meanwhile.
#[derive(Debug, Default)]
struct Blocked {
    since: Option<Instant>,
    before: Duration,
    bytes: u64,
}

impl Guarded {
    pub(super) fn new(stream: Stream, prefix: Bytes, http2: bool, activity: Arc<Activity>) -> Self {
        let frames = http2.then(Frames::new);
        Self { stream, prefix, frames, activity, blocked: Blocked::default() }
    }

    fn on_written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.on_blocked(),
            Poll::Ready(Ok(bytes))
                if self.blocked.since.is_some() || self.blocked.before > Duration::ZERO =>
            {
                self.on_progress(*bytes as u64);
            }
            Poll::Ready(_) => {}
        }
        written
    }

    fn on_blocked(&mut self) {
        if self.blocked.since.is_none() {
            self.blocked.since = Some(Instant::now());
            let left = self.activity.body_idle().saturating_sub(self.blocked.before);
            self.activity.on_blocked_write(Some(left));
        }
    }

    fn on_progress(&mut self, bytes: u64) {
        if let Some(since) = self.blocked.since.take() {
            self.blocked.before += since.elapsed();
            self.activity.on_blocked_write(None);
        }
        self.blocked.bytes = self.blocked.bytes.saturating_add(bytes);
        if self.blocked.bytes >= MIN_BYTES_PER_SECOND * self.activity.body_idle().as_secs().max(1) {
            self.blocked = Blocked::default();
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.prefix.is_empty() {
            let read = match &mut this.stream {
                Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
                Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            };
            std::task::ready!(read)?;
        } else {
            let bytes = this.prefix.len().min(buf.remaining());
            buf.put_slice(this.prefix.get(..bytes).unwrap_or_default());
            this.prefix.advance(bytes);
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            this.activity.on_read(this.frames.is_some());
            if let Some(frames) = &mut this.frames {
                this.activity.on_header_block(frames.observe(read));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.on_written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.on_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        if flushed.is_pending() {
            self.on_blocked();
        } else if self.blocked.since.is_some() {
            self.on_progress(0);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        if shut.is_pending() {
            self.on_blocked();
        }
        shut
    }
}

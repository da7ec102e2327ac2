//! The response body on its way to the client.
//!
//! It reads the upstream connection where that is nobody else's task, hands it back to the pool at
//! the end, and passes an early end on as an error: the client must see a broken message, never
//! a complete-looking one (security.md R03).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::BodyError;
use super::error::{Fault, UpstreamError};
use super::pool::Lease;
use super::response;
use super::timer::LazyTimer;

/// The body ended early.
struct Broken;

/// A response body straight from the upstream.
pub(super) struct Download {
    /// Where somebody else moves the connection on; else the connection itself is read.
    channel: Option<Incoming>,
    /// Until the end of the body; then the connection is the pool's again.
    lease: Option<Lease>,
    idle: Duration,
    timer: LazyTimer,
    waiting_since: Option<Instant>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").finish_non_exhaustive()
    }
}

impl Download {
    /// The body that `channel` brings, or what is still to come on the connection itself.
    pub(super) fn new(channel: Option<Incoming>, lease: Lease, idle: Duration) -> Self {
        let timer = LazyTimer::default();
        let mut download = Self { channel, lease: Some(lease), idle, timer, waiting_since: None };
        if download.is_end_stream() {
            download.give_back();
        }
        download
    }

    /// Drops the connection in the middle: nobody wants the rest.
    pub(super) fn abandon(&mut self) {
        self.lease = None;
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(channel) = &mut self.channel {
            return Pin::new(channel).poll_frame(cx).map_err(|_| Broken);
        }
        match self.lease.as_mut().and_then(Lease::wire) {
            Some(wire) => wire.poll_frame(cx).map_err(|_| Broken),
            None => Poll::Ready(None),
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        self.timer.poll_until(cx, since + self.idle)
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = this.poll_body(cx) else {
            if this.poll_idle(cx).is_pending() {
                return Poll::Pending;
            }
            this.lease = None;
            return Poll::Ready(Some(Err(UpstreamError::sent(Fault::ResponseTimeout).into())));
        };
        this.waiting_since = None;
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    response::clean_trailers(trailers);
                }
                if this.is_end_stream() {
                    this.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(_)) => {
                this.lease = None;
                Poll::Ready(Some(Err(UpstreamError::sent(Fault::Broken).into())))
            }
            None => {
                this.give_back();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match (&self.channel, self.lease.as_ref().and_then(Lease::as_wire)) {
            (Some(channel), _) => channel.is_end_stream(),
            (None, Some(wire)) => wire.is_end(),
            (None, None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.channel, self.lease.as_ref().and_then(Lease::as_wire)) {
            (Some(channel), _) => channel.size_hint(),
            (None, Some(wire)) => wire.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}

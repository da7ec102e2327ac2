//! The response body on its way to the client.
//!
//! It drives the upstream connection where that is nobody else's task, hands it back to the pool
//! at the end, and passes an early end on as an error: the client must see a broken message, never
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

/// A response body straight from the upstream.
pub(super) struct Download {
    body: Incoming,
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
    pub(super) fn new(body: Incoming, lease: Lease, idle: Duration) -> Self {
        let mut download =
            Self { body, lease: Some(lease), idle, timer: LazyTimer::default(), waiting_since: None };
        if download.body.is_end_stream() {
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

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Some(link) = self.lease.as_mut().and_then(Lease::link) else {
            return Poll::Pending;
        };
        if link.has_task() {
            return Poll::Pending;
        }
        if link.poll_driver(cx).is_ready() {
            // Ended: the last bytes, or the error, are in the body's channel now. Never poll again.
            self.lease = None;
        }
        Pin::new(&mut self.body).poll_frame(cx)
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
                if this.body.is_end_stream() {
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
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! The request body on its way to the upstream: bounded, watched, without trailers but in gRPC.
//!
//! Bytes pass as they come; nothing is collected. It ends with an error, never early with a clean
//! end, because a clean end would forge a complete request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::error::Fault;
use super::timer::LazyTimer;
use super::twins::Twins;

/// Least speed of a client that keeps us waiting, so that a byte now and then does not hold an
/// upstream connection (security.md D06, R17).
const MIN_BYTES_PER_SECOND: u64 = 1024;

/// What the exchange learns of a body it has handed to the connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    finished: AtomicBool,
    fault: AtomicU8,
}

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// The client's fault that ended the body, if one did.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Ordering::Relaxed) {
            1 => Some(Fault::TooLarge),
            2 => Some(Fault::ClientStalled),
            3 => Some(Fault::ClientGone),
            _ => None,
        }
    }

    fn fail(&self, fault: Fault) -> Fault {
        let code = match fault {
            Fault::TooLarge => 1,
            Fault::ClientStalled => 2,
            _ => 3,
        };
        self.fault.store(code, Ordering::Relaxed);
        fault
    }
}

/// A request body; `None` inside means that there is none.
#[derive(Debug, Default)]
pub(super) struct Upload {
    stream: Option<Box<Stream>>,
    /// A body that is all here: one kept during a challenge.
    held: Bytes,
}

#[derive(Debug)]
struct Stream {
    body: Incoming,
    left: Option<u64>,
    idle: Duration,
    timer: LazyTimer,
    waiting: Waiting,
    progress: Arc<Progress>,
    /// For a call of gRPC: names that its trailers may not have.
    call: Option<Arc<Twins>>,
}

/// How long the client has kept us waiting, and what it sent meanwhile. Time in which the upstream
/// would not take more is not the client's.
#[derive(Debug, Default)]
struct Waiting {
    since: Option<Instant>,
    before: Duration,
    bytes: u64,
}

impl Upload {
    pub(super) const fn none() -> Self {
        Self { stream: None, held: Bytes::new() }
    }

    pub(super) const fn held(bytes: Bytes) -> Self {
        Self { stream: None, held: bytes }
    }

    /// Whether it needs the client or holds bytes: then it cannot be sent twice.
    pub(super) fn is_some(&self) -> bool {
        self.stream.is_some() || !self.held.is_empty()
    }

    /// At most `limit` bytes, and no silence longer than `idle`.
    ///
    /// With `call` it is a stream of messages of gRPC, in which the client speaks when it has
    /// something to say: its trailers pass without these names, and for how long nothing comes is
    /// left to the deadlines of the response.
    pub(super) fn new(
        body: Incoming,
        limit: Option<u64>,
        idle: Duration,
        call: Option<Arc<Twins>>,
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let stream = Stream {
            body,
            left: limit,
            idle,
            timer: LazyTimer::default(),
            waiting: Waiting::default(),
            progress: Arc::clone(&progress),
            call,
        };
        (Self { stream: Some(Box::new(stream)), held: Bytes::new() }, progress)
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.poll_stalled(cx));
                return Poll::Ready(Some(Err(self.progress.fail(Fault::ClientStalled))));
            };
            if let Some(since) = self.waiting.since.take() {
                self.waiting.before += since.elapsed();
            }
            match frame {
                None => {
                    self.progress.finished.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(self.progress.fail(Fault::ClientGone)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(self.count(data))),
                    Err(frame) => {
                        if let Some(trailers) = self.trailers(frame) {
                            return Poll::Ready(Some(Ok(trailers)));
                        }
                    }
                },
            }
        }
    }

    /// Request trailers do not pass but in gRPC (security.md C11): skipped, then the end follows.
    fn trailers(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let names = self.call.as_ref()?;
        let mut trailers = frame.into_trailers().ok()?;
        let doomed: Vec<_> = trailers.keys().filter(|name| names.contains(name)).cloned().collect();
        for name in doomed {
            trailers.remove(name);
        }
        Some(Frame::trailers(trailers))
    }

    fn count(&mut self, data: Bytes) -> Result<Frame<Bytes>, Fault> {
        let bytes = data.len() as u64;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(bytes).ok_or_else(|| self.progress.fail(Fault::TooLarge))?;
        }
        self.waiting.bytes = self.waiting.bytes.saturating_add(bytes);
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.body.is_end_stream() {
            self.progress.finished.store(true, Ordering::Relaxed);
        }
        Ok(Frame::data(data))
    }

    /// Ready when the client has kept us waiting for the whole time allowed and sent too little.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.call.is_some() {
            return Poll::Pending;
        }
        loop {
            let since = *self.waiting.since.get_or_insert_with(Instant::now);
            let left = self.idle.saturating_sub(self.waiting.before);
            ready!(self.timer.poll_until(cx, since + left));
            let enough = MIN_BYTES_PER_SECOND.saturating_mul(self.idle.as_secs().max(1));
            if self.waiting.bytes < enough {
                return Poll::Ready(());
            }
            self.waiting = Waiting::default();
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(stream) = &mut self.stream {
            return stream.poll(cx);
        }
        let held = std::mem::take(&mut self.held);
        Poll::Ready((!held.is_empty()).then(|| Ok(Frame::data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream
            .as_ref()
            .map_or(self.held.is_empty(), |stream| stream.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let held = SizeHint::with_exact(self.held.len() as u64);
        self.stream.as_ref().map_or(held, |stream| stream.body.size_hint())
    }
}

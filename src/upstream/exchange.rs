//! One request, one response: picking a connection, sending, waiting, and when to try again.
//!
//! A request goes out a second time only if the first was never written, or if it is idempotent,
//! has no body, and the connection was a reused one that ended without a response (security.md C12).

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::error::{Fault, UpstreamError};
use super::link::Link;
use super::pool::{Lease, Shelf};
use super::upload::{Progress, Upload};

/// Deadlines of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub connect: Duration,
    /// From the request being sent to the response's headers.
    pub response: Duration,
    /// Silence in the middle of a body.
    pub body_idle: Duration,
}

/// A request ready for the wire: origin-form target, headers clean.
pub(super) struct Outbound {
    /// Until it is handed to a connection; a connection that did not write it hands it back.
    pub request: Option<Request<Upload>>,
    /// Of the request's body, where there is one that streams.
    pub progress: Option<Arc<Progress>>,
    pub upgrade: bool,
}

enum Failure {
    /// Never written: the request is back in its place.
    Unsent,
    /// Written, and the connection ended before a response.
    Lost(UpstreamError),
    Final(UpstreamError),
}

/// Sends and waits for the response's headers.
pub(super) async fn send(
    shelf: &Arc<Shelf>,
    outbound: &mut Outbound,
    deadlines: &Deadlines,
) -> Result<(Response<Incoming>, Lease), UpstreamError> {
    // An upgraded connection is used up, so it is always one of its own.
    if !outbound.upgrade
        && let Some(mut lease) = shelf.reuse()
    {
        let copy = copy_for_retry(&mut lease, outbound.request.as_ref());
        match attempt(&mut lease, outbound, deadlines).await {
            Ok(response) => return Ok((response, lease)),
            Err(Failure::Unsent) => {}
            Err(Failure::Lost(error)) => outbound.request = Some(copy.ok_or(error)?),
            Err(Failure::Final(error)) => return Err(error),
        }
    }
    let mut lease = shelf.dial(deadlines.connect).await?;
    match attempt(&mut lease, outbound, deadlines).await {
        Ok(response) => Ok((response, lease)),
        Err(Failure::Unsent) => Err(UpstreamError::unsent(Fault::Broken)),
        Err(Failure::Lost(error) | Failure::Final(error)) => Err(error),
    }
}

/// A second copy of the request, where sending it twice is allowed and may be needed.
fn copy_for_retry(lease: &mut Lease, request: Option<&Request<Upload>>) -> Option<Request<Upload>> {
    let request = request?;
    let idempotent = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !idempotent || request.body().is_some() || !lease.link()?.may_be_stale() {
        return None;
    }
    let mut copy = Request::new(Upload::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

async fn attempt(
    lease: &mut Lease,
    outbound: &mut Outbound,
    deadlines: &Deadlines,
) -> Result<Response<Incoming>, Failure> {
    let Outbound { request: place, progress, upgrade } = outbound;
    let progress = progress.as_deref();
    let (Some(link), Some(request)) = (lease.link(), place.take()) else {
        return Err(Failure::Final(UpstreamError::unsent(Fault::Broken)));
    };
    if *upgrade || request.body().is_some() {
        link.detach(*upgrade);
    }
    let mut patience = Patience::new(link.since + deadlines.response, deadlines.response);
    let mut sent = pin!(link.sender().try_send_request(request));
    let mut ended = false;
    poll_fn(|cx| {
        let answer = if link.has_task() {
            sent.as_mut().poll(cx)
        } else {
            if !ended {
                ended = link.poll_driver(cx).is_ready();
            }
            // Only the driver just polled can complete this: waking ourselves would be a poll for
            // nothing.
            sent.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        match answer {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(|mut error| {
                *place = error.take_message();
                if place.is_some() {
                    Failure::Unsent
                } else {
                    failure(error.error(), progress)
                }
            })),
            Poll::Pending => patience.poll(cx, link, progress).map(|error| Err(Failure::Final(error))),
        }
    })
    .await
}

fn failure(error: &hyper::Error, progress: Option<&Progress>) -> Failure {
    if let Some(fault) = progress.and_then(Progress::fault) {
        return Failure::Final(UpstreamError::sent(fault));
    }
    // A response that cannot be parsed is a response: the upstream has acted.
    if error.is_parse() || error.is_parse_too_large() {
        return Failure::Final(UpstreamError::sent(Fault::Broken));
    }
    Failure::Lost(UpstreamError::sent(Fault::Broken))
}

/// How long to wait for the response's headers. It begins anew while the request body still moves.
struct Patience {
    period: Duration,
    deadline: Instant,
    bytes: u64,
    finished: bool,
}

impl Patience {
    const fn new(deadline: Instant, period: Duration) -> Self {
        Self { period, deadline, bytes: 0, finished: true }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut Link,
        progress: Option<&Progress>,
    ) -> Poll<UpstreamError> {
        if let Some(progress) = progress {
            // The wait proper starts at the end of the body; until then, at its last movement.
            let (bytes, finished) = (progress.bytes(), progress.finished());
            if bytes != self.bytes || finished != self.finished {
                (self.bytes, self.finished) = (bytes, finished);
                self.deadline = Instant::now() + self.period;
            }
        }
        while link.timer.poll_until(cx, self.deadline).is_ready() {
            let Some(progress) = progress else {
                return Poll::Ready(UpstreamError::sent(Fault::ResponseTimeout));
            };
            if progress.bytes() == self.bytes {
                return Poll::Ready(UpstreamError::sent(Fault::ResponseTimeout));
            }
            self.bytes = progress.bytes();
            self.deadline = Instant::now() + self.period;
        }
        Poll::Pending
    }
}

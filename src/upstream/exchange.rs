//! One request, one response: picking a connection, sending, waiting, and when to try again.
//!
//! A request goes out a second time only if the first was never written, if the upstream says that
//! it has not looked at it, or if it is idempotent, has no body, and the connection was a reused one
//! that ended without a response (security.md C12).

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::channel::{self, Place};
use super::error::{Fault, UpstreamError};
use super::fleet::{Fleet, Tried};
use super::link::Link;
use super::pool::{Lease, Shelf};
use super::socket::Socket;
use super::timer::LazyTimer;
use super::upload::{Progress, Upload};
use super::wire::{NoResponse, Wire};

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

/// A response, with its body where that does not come over the lease itself.
pub(super) type Answer = Response<Option<Incoming>>;

enum Failure {
    /// Never written: the request is back in its place.
    Unsent(UpstreamError),
    /// Written, and the upstream says that it has not looked at it.
    Refused(UpstreamError),
    /// Written, and the connection ended before a response.
    Lost(UpstreamError),
    Final(UpstreamError),
}

/// Sends and waits for the response's headers. What cannot be connected to is replaced by the next
/// address, within the one deadline for connecting.
pub(super) async fn send(
    fleet: &Fleet,
    outbound: &mut Outbound,
    deadlines: &Deadlines,
) -> Result<(Answer, Lease), UpstreamError> {
    let mut tried = Tried::default();
    let mut dialling = Dialling::new(deadlines.connect);
    let mut last = UpstreamError::unsent(Fault::Unreachable);
    while let Some((shelf, left)) = fleet.choose(&mut tried) {
        dialling.left = left;
        let outcome = ask(shelf, outbound, deadlines, &mut dialling).await;
        match outcome {
            Ok(answer) => {
                fleet.note(shelf, Ok(()));
                return Ok(answer);
            }
            Err(Failure::Unsent(error)) => {
                fleet.note(shelf, Err(&error));
                last = error;
            }
            Err(Failure::Refused(error) | Failure::Lost(error) | Failure::Final(error)) => {
                fleet.note(shelf, Err(&error));
                return Err(error);
            }
        }
    }
    Err(last)
}

/// The time for connecting: one deadline for all addresses of a request, begun with the first.
struct Dialling {
    period: Duration,
    deadline: Option<Instant>,
    /// Addresses after this one, which want their share.
    left: usize,
}

impl Dialling {
    const fn new(period: Duration) -> Self {
        Self { period, deadline: None, left: 0 }
    }

    /// For a request that has been out already: the time that took was not for connecting.
    const fn begin_anew(&mut self) {
        self.deadline = None;
    }

    /// How long this address may take.
    fn share(&mut self) -> Duration {
        let now = Instant::now();
        let deadline = *self.deadline.get_or_insert(now + self.period);
        let rest = deadline.saturating_duration_since(now);
        rest / u32::try_from(self.left + 1).unwrap_or(u32::MAX)
    }
}

/// Asks at one address, over a connection that is there or else over a new one. What cannot have
/// been acted on is sent once more.
async fn ask(
    shelf: &Arc<Shelf>,
    outbound: &mut Outbound,
    deadlines: &Deadlines,
    dialling: &mut Dialling,
) -> Result<(Answer, Lease), Failure> {
    // An upgraded connection is used up, so it is always one of its own.
    let reused = if outbound.upgrade { None } else { shelf.reuse() };
    let old = reused.is_some();
    let mut lease = match reused {
        Some(lease) => lease,
        None => dial(shelf, outbound, dialling).await?,
    };
    let copy = copy_for_retry(&mut lease, old, outbound.request.as_ref());
    match attempt(&mut lease, outbound, deadlines).await {
        Ok(response) => return Ok((response, lease)),
        Err(Failure::Unsent(_)) if old => {}
        Err(Failure::Refused(error)) => outbound.request = Some(copy.ok_or(Failure::Final(error))?),
        Err(Failure::Lost(error)) if old => {
            let again = outbound.request.take().or(copy);
            let again = again.filter(|request| is_idempotent(request.method()));
            outbound.request = Some(again.ok_or(Failure::Final(error))?);
        }
        Err(failure) => return Err(failure),
    }
    drop(lease);
    dialling.begin_anew();
    let mut lease = dial(shelf, outbound, dialling).await?;
    let response = attempt(&mut lease, outbound, deadlines).await?;
    Ok((response, lease))
}

async fn dial(shelf: &Arc<Shelf>, outbound: &Outbound, dialling: &mut Dialling) -> Result<Lease, Failure> {
    shelf.dial(dialling.share(), outbound.upgrade).await.map_err(Failure::Unsent)
}

const fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A second copy of the request, where sending it twice may be allowed and may be needed.
fn copy_for_retry(
    lease: &mut Lease,
    old: bool,
    request: Option<&Request<Upload>>,
) -> Option<Request<Upload>> {
    let request = request?;
    let stale = old && lease.link().is_some_and(|link| link.may_be_stale());
    // A shared connection can refuse anything at any time.
    let wanted = lease.place().is_some() || (stale && is_idempotent(request.method()));
    if !wanted || request.body().is_some() {
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
) -> Result<Answer, Failure> {
    let Outbound { request: place, progress, upgrade } = outbound;
    let progress = progress.as_deref();
    let secure = lease.is_secure();
    if let Some(at) = lease.place() {
        return over_http2(at, secure, (place, progress), deadlines).await;
    }
    let (Some(link), Some(request)) = (lease.link(), place.as_ref()) else {
        return Err(Failure::Final(UpstreamError::unsent(Fault::Broken)));
    };
    if *upgrade || request.body().is_some() {
        link.detach(*upgrade).await.map_err(Failure::Unsent)?;
    }
    let deadline = link.since + deadlines.response;
    if let Some((wire, timer)) = link.wire() {
        return over_wire(wire, request, (timer, deadline)).await;
    }
    link.await_response();
    let answer = over_task(link, (place, progress), Patience::new(deadline, deadlines.response)).await;
    link.response_began();
    answer
}

/// A request without a body, which stays where it is.
async fn over_wire(
    wire: &mut Wire<Socket>,
    request: &Request<Upload>,
    (timer, deadline): (&mut LazyTimer, Instant),
) -> Result<Answer, Failure> {
    write_head(wire.begin(*request.method() == Method::HEAD), request);
    let head = poll_fn(|cx| match wire.poll_head(cx) {
        Poll::Ready(head) => Poll::Ready(head.map_err(missing)),
        Poll::Pending => timer
            .poll_until(cx, deadline)
            .map(|()| Err(Failure::Final(UpstreamError::sent(Fault::ResponseTimeout)))),
    })
    .await?;
    let mut answer = Response::new(None);
    *answer.status_mut() = head.status;
    *answer.version_mut() = head.version;
    *answer.headers_mut() = head.headers;
    Ok(answer)
}

const fn missing(response: NoResponse) -> Failure {
    match response {
        NoResponse::Unsent => Failure::Unsent(UpstreamError::unsent(Fault::Broken)),
        NoResponse::Lost => Failure::Lost(UpstreamError::sent(Fault::Broken)),
        NoResponse::Broken => Failure::Final(UpstreamError::sent(Fault::Broken)),
    }
}

/// The request as it goes over HTTP/1.1. Its parts are of types that can hold no line's end.
fn write_head(out: &mut Vec<u8>, request: &Request<Upload>) {
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    for part in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A request that needs a task of its own.
async fn over_task(
    link: &mut Link,
    (place, progress): (&mut Option<Request<Upload>>, Option<&Progress>),
    mut patience: Patience,
) -> Result<Answer, Failure> {
    let (Some((sender, timer)), Some(request)) = (link.sender(), place.take()) else {
        return Err(Failure::Final(UpstreamError::unsent(Fault::Broken)));
    };
    let mut sent = pin!(sender.try_send_request(request));
    let answer = poll_fn(|cx| match sent.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => patience.poll(cx, timer, progress).map(|error| Err(Failure::Final(error))),
    })
    .await?;
    answer.map(|answer| answer.map(Some)).map_err(|mut error| {
        *place = error.take_message();
        if place.is_some() {
            Failure::Unsent(UpstreamError::unsent(Fault::Broken))
        } else if link.is_flooded() {
            Failure::Final(UpstreamError::sent(Fault::Broken))
        } else {
            failure(error.error(), progress)
        }
    })
}

async fn over_http2(
    at: &Place,
    secure: bool,
    (place, progress): (&mut Option<Request<Upload>>, Option<&Progress>),
    deadlines: &Deadlines,
) -> Result<Answer, Failure> {
    let mut request = place.take().ok_or(Failure::Final(UpstreamError::unsent(Fault::Broken)))?;
    channel::into_http2(&mut request, secure).map_err(Failure::Final)?;
    let mut patience = Patience::new(Instant::now() + deadlines.response, deadlines.response);
    let mut timer = LazyTimer::default();
    let mut sender = at.sender();
    let mut sent = pin!(sender.try_send_request(request));
    poll_fn(|cx| match sent.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(answer.map(|answer| answer.map(Some)).map_err(|mut error| {
            if let Some(mut request) = error.take_message() {
                channel::into_http1(&mut request);
                *place = Some(request);
                at.retire();
                return Failure::Unsent(UpstreamError::unsent(Fault::Broken));
            }
            if is_refused(error.error()) {
                at.retire();
                return Failure::Refused(UpstreamError::unsent(Fault::Broken));
            }
            failure(error.error(), progress)
        })),
        Poll::Pending => patience.poll(cx, &mut timer, progress).map(|error| Err(Failure::Final(error))),
    })
    .await
}

/// Whether the upstream says of this very request that it has not been looked at (RFC 9113 8.7): its
/// stream was refused, or lies above the last one of a GOAWAY.
fn is_refused(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_remote()
            && (cause.is_go_away()
                || (cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)))
    })
}

fn failure(error: &hyper::Error, progress: Option<&Progress>) -> Failure {
    if let Some(fault) = progress.and_then(Progress::fault) {
        return Failure::Final(UpstreamError::sent(fault));
    }
    // A response that cannot be parsed is a response, and a stream that was reset has been looked at.
    let reset = std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_reset);
    if error.is_parse() || error.is_parse_too_large() || reset {
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
        timer: &mut LazyTimer,
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
        while timer.poll_until(cx, self.deadline).is_ready() {
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

//! The reverse proxy's entrance: ask the gate, then forward, hand over to the portal, or answer.
//!
//! It translates and never decides. Forwarding consumes the gate's permit; there is no other way
//! from here to an upstream.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::{Service, ServiceExt as _};

use super::Handler;
use super::own_body::OwnBody;
use crate::gate::{Judgement, LogIn, Onlookers};
use crate::policy::Permit;
use crate::upstream::{Body, Extended, Forwarder, Outgoing, Payload, Peer, Rules, Side, UpstreamError};

/// Largest body a form or the API takes, and the most that is read of a body nobody wants.
const MAX_OWN_BODY: usize = 64 * 1024;
/// How long to read a body nobody wants, so that the answer is not lost to a reset connection.
const DRAIN_FOR: Duration = Duration::from_secs(2);
/// Requests in the portal at once, over all workers; more are told to come back.
const MAX_IN_PORTAL: usize = 1024;
/// How long the portal may take for one answer, its body aside: longer than the longest question to a service
/// that waits for a person with a phone in their hand.
const PORTAL_DEADLINE: Duration = Duration::from_secs(90);

/// Whoever judges requests: the gate. A trait so that the door can be tried with another.
pub trait Judge: Send + Sync + 'static {
    /// Judges one request; may take the body out to keep it during a challenge. Says as well which
    /// rules to forward by: those of the configuration that judged.
    fn judge(
        &self,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = (Judgement, Arc<Rules>)> + Send;

    /// Whether a person would rather see a page than a problem document.
    fn wants_page(&self, headers: &HeaderMap) -> bool;

    /// The answer for a request that got none from the upstream.
    fn apology(&self, error: &UpstreamError, page: bool) -> Response<Body>;
}

/// The way from the data plane to the portal and the API, which run on the control runtime.
pub struct PortalDoor<S> {
    service: S,
    control: Handle,
    room: Arc<Semaphore>,
}

impl<S: Clone> Clone for PortalDoor<S> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            control: self.control.clone(),
            room: Arc::clone(&self.room),
        }
    }
}

impl<S> PortalDoor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    /// `service` will run on `control`.
    #[must_use]
    pub fn new(service: S, control: Handle) -> Self {
        Self { service, control, room: Arc::new(Semaphore::new(MAX_IN_PORTAL)) }
    }

    async fn answer(&self, parts: Parts, body: Option<Incoming>, peer: Peer) -> Response<Body> {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once; try again.\n");
        };
        if body.as_ref().is_some_and(|body| body.size_hint().lower() > MAX_OWN_BODY as u64) {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n");
        }
        let service = self.service.clone();
        // Spawned, so that a client that leaves cannot cut a step of a challenge in half.
        let answered = self.control.spawn(async move {
            let _place = place;
            let body = match body {
                Some(body) if !body.is_end_stream() => Body::boxed(OwnBody::new(body, MAX_OWN_BODY)),
                _ => Body::Empty,
            };
            let mut request = Request::from_parts(parts, body);
            request.extensions_mut().insert(peer);
            timeout(PORTAL_DEADLINE, service.oneshot(request)).await
        });
        match answered.await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(_)) => plain(StatusCode::SERVICE_UNAVAILABLE, "This took too long; try again.\n"),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here.\n"),
        }
    }
}

/// One worker's reverse proxy.
pub struct ReverseProxy<J, S> {
    judge: Arc<J>,
    forwarder: Forwarder,
    portal: PortalDoor<S>,
}

impl<J: Judge, S> ReverseProxy<J, S> {
    /// To be called on the worker's own runtime, as [`Forwarder::new`] is.
    #[must_use]
    pub const fn new(judge: Arc<J>, forwarder: Forwarder, portal: PortalDoor<S>) -> Self {
        Self { judge, forwarder, portal }
    }

    async fn forward(
        &self,
        rules: &Rules,
        (permit, outgoing, onlookers): (Permit, Outgoing, Option<Box<Onlookers>>),
        mut parts: Parts,
        body: Payload,
    ) -> Response<Body> {
        let http1 = parts.version <= Version::HTTP_11;
        let page = self.judge.wants_page(&parts.headers);
        let answer = self.forwarder.forward(rules, permit, &mut parts, body, outgoing).await;
        let answer = match (answer, onlookers) {
            (Ok(response), Some(onlookers)) => shown(response, *onlookers).await,
            (answer, _) => answer,
        };
        match answer {
            Ok(response) => response,
            Err(error) => {
                let mut apology = self.judge.apology(&error, page);
                if http1 && error.side() == Side::Client {
                    close(&mut apology);
                }
                apology
            }
        }
    }
}

impl<J: Judge, S> ReverseProxy<J, S> {
    /// Signs somebody in to the app; a GET's body, if it has one, is nobody's.
    async fn log_in(
        &self,
        rules: &Rules,
        log_in: LogIn,
        parts: Parts,
        body: Option<Incoming>,
    ) -> Response<Body> {
        let page = self.judge.wants_page(&parts.headers);
        let answer = super::log_in::log_in(&self.forwarder, rules, log_in, parts.clone()).await;
        let answer = answer.unwrap_or_else(|error| self.judge.apology(&error, page));
        after_unread(answer, &parts, body).await
    }
}

impl<J, S> ReverseProxy<J, S>
where
    J: Judge,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    /// Answers one request.
    pub(super) async fn answer(&self, mut parts: Parts, body: Incoming, peer: Peer) -> Response<Body> {
        let mut body = Some(body);
        let extended = parts.method == Method::CONNECT && Extended::become_get(&mut parts);
        let (judgement, rules) = self.judge.judge(&mut parts, &mut body, peer).await;
        match judgement {
            Judgement::Forward { permit, outgoing, body: held, onlookers } => {
                let payload = match held {
                    Some(bytes) => Payload::Held(bytes),
                    None => body.map_or(Payload::None, Payload::Stream),
                };
                self.forward(&rules, (permit, outgoing, onlookers), parts, payload).await
            }
            Judgement::LogIn(log_in) => Box::pin(self.log_in(&rules, *log_in, parts, body)).await,
            Judgement::Portal if extended => no_websocket(),
            // Success would mean that the WebSocket is open.
            Judgement::Answer(answer) if extended && answer.status().is_success() => no_websocket(),
            // In boxes: what few requests need, the others need not carry about.
            Judgement::Portal => Box::pin(self.portal.answer(parts, body, peer)).await,
            Judgement::Answer(answer) => Box::pin(after_unread(answer, &parts, body)).await,
        }
    }
}

impl<J, S> Handler for ReverseProxy<J, S>
where
    J: Judge,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        self.answer(parts, body, peer).await
    }
}

/// The app's answer, once everybody who wants to see it has made their note of it.
async fn shown(answer: Response<Body>, onlookers: Onlookers) -> Result<Response<Body>, UpstreamError> {
    match Box::pin(onlookers.answered(answer.status(), answer.headers())).await {
        Ok(()) => Ok(answer),
        Err(error) => {
            tracing::error!(%error, "an answer of the app is kept back");
            Err(UpstreamError::not_noted())
        }
    }
}

/// Nothing of ours is a WebSocket.
fn no_websocket() -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, "There is no WebSocket here.\n")
}

/// What is left of a body that nobody read must never be taken for a request (security.md C06): a
/// short one is read away, after any other the connection ends.
pub(super) async fn after_unread(
    mut answer: Response<Body>,
    parts: &Parts,
    body: Option<Incoming>,
) -> Response<Body> {
    let Some(body) = body.filter(|body| !body.is_end_stream()) else {
        return answer;
    };
    // Reading would invite the client to send: 100 Continue.
    let waits = parts.headers.contains_key(EXPECT);
    let short = body.size_hint().lower() <= MAX_OWN_BODY as u64;
    if !waits && short && timeout(DRAIN_FOR, read_away(body)).await == Ok(true) {
        return answer;
    }
    if parts.version <= Version::HTTP_11 {
        close(&mut answer);
    }
    answer
}

/// Whether the whole body was within the bound.
async fn read_away(body: Incoming) -> bool {
    let mut body = pin!(Limited::new(body, MAX_OWN_BODY));
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

fn close(answer: &mut Response<Body>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// For when not even the portal can answer.
fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_portal_may_wait_a_minute_for_a_person_and_not_for_ever() {
        let answered = async |seconds: u64| {
            let service = tower::service_fn(move |_: Request<Body>| async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok::<_, Infallible>(Response::new(Body::Empty))
            });
            let (parts, ()) = Request::new(()).into_parts();
            let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: true };
            PortalDoor::new(service, Handle::current())
                .answer(parts, None, peer)
                .await
                .status()
        };
        assert_eq!(answered(75).await, StatusCode::OK, "a push, and what is written after it");
        assert_eq!(answered(3600).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}

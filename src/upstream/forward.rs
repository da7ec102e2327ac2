//! Forwarding: the one way from a permit to the app.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::policy::Permit;

use super::body::Body;
use super::download::Download;
use super::error::{Fault, UpstreamError};
use super::event_stream;
use super::exchange::{self, Answer, Outbound};
use super::fleet::Harbour;
use super::lasting::Lasting;
use super::outgoing::Outgoing;
use super::pool::Lease;
use super::request::{self, Addresses, Setting};
use super::response;
use super::rules::{Payload, Rules, Way};
use super::tunnel::{Kept, Slot, Tunnels};
use super::upload::Upload;
use super::via;
use super::watch::{Kind, Oversight, Watch, Watches};
use super::websocket::{self, Extended};
use super::wire::Wire;

/// Forwards for one worker thread, over connections of its own.
pub struct Forwarder {
    harbour: Arc<Harbour>,
    addresses: Addresses,
    tunnels: Tunnels,
    watches: Arc<Watches>,
}

/// The client's side of a WebSocket that may open, and the room for it.
struct Upgrade {
    client: OnUpgrade,
    slot: Slot,
    /// What of the client's connection has to stay as long as the WebSocket does.
    kept: Option<Kept>,
    /// It came over HTTP/2.
    extended: Option<Extended>,
}

impl Upgrade {
    fn is_agreed(&self, head: &http::response::Parts) -> bool {
        websocket::is_agreed(head.status, &head.headers)
            && self
                .extended
                .as_ref()
                .is_none_or(|extended| extended.is_accepted(&head.headers))
    }
}

impl Forwarder {
    /// To be called on the worker's own runtime, which also keeps the pool swept and looks after what
    /// goes on for long.
    #[must_use]
    pub fn new(tunnels: Tunnels, oversight: Arc<dyn Oversight>) -> Self {
        let harbour = Arc::new(Harbour::default());
        tokio::spawn(Harbour::keep_swept(Arc::downgrade(&harbour)));
        Self {
            harbour,
            addresses: Addresses::default(),
            tunnels,
            watches: Watches::new(oversight),
        }
    }

    /// Sends the request that was judged, and returns as soon as the response's headers are there.
    ///
    /// Method, target, host and client are the permit's. Of `parts` only the headers are used, and
    /// used up.
    ///
    /// # Errors
    /// [`UpstreamError`] says on whose side, and which status tells the client.
    pub async fn forward(
        &self,
        rules: &Rules,
        permit: Permit,
        parts: &mut Parts,
        body: Payload,
        mut outgoing: Outgoing,
    ) -> Result<Response<Body>, UpstreamError> {
        let way = rules.way(permit.route())?;
        let upgrade = self.upgrade(rules, &permit, parts)?;
        let (upload, progress) = rules.upload(permit.route(), &parts.headers, body, way)?;
        let says_length =
            permit.request().method != Method::GET && parts.headers.contains_key(CONTENT_LENGTH);
        let mut headers = self.headers(rules, &permit, way, parts, &outgoing)?;
        if upgrade.is_some() {
            websocket::announce(&mut headers);
        }
        if says_length && !upload.is_some() {
            // Some servers insist on a length where a body could be (411).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut outbound = Outbound {
            request: Some(request_line(&permit, headers, upload)),
            progress,
            upgrade: upgrade.is_some(),
        };
        let fleet = self.harbour.fleet(&way.origin);
        let (protected, uploads) = (permit.identity().is_some(), outbound.progress.is_some());
        let watch = outgoing.standing().map(|standing| Watch::new(permit, standing));
        let sent = exchange::send(&fleet, &mut outbound, &way.deadlines);
        let (answer, lease) = match watch.as_ref().filter(|_| uploads) {
            Some(watch) => Box::pin(watch.unless_revoked(sent)).await?,
            None => sent.await?,
        };
        self.answer(answer, lease, upgrade, (protected, watch), way.deadlines.body_idle)
    }

    /// What the client's side of a WebSocket needs, if one is asked for.
    fn upgrade(
        &self,
        rules: &Rules,
        permit: &Permit,
        parts: &mut Parts,
    ) -> Result<Option<Upgrade>, UpstreamError> {
        if !websocket::is_asked_for(parts) {
            return Ok(None);
        }
        let field = parts.headers.get(http::header::HOST);
        let host = request::host_value(field, parts.uri.authority(), &permit.request().host);
        let protected = permit.identity().is_some();
        if protected && !websocket::is_same_origin(&parts.headers, rules.scheme, &host) {
            return Err(UpstreamError::unsent(Fault::ForeignOrigin));
        }
        let Some(client) = parts.extensions.remove::<OnUpgrade>() else {
            return Ok(None);
        };
        let slot = self.tunnels.reserve().ok_or(UpstreamError::unsent(Fault::NoTunnel))?;
        let (kept, extended) = (parts.extensions.remove(), parts.extensions.remove());
        Ok(Some(Upgrade { client, slot, kept, extended }))
    }

    /// The client's headers without what must not pass, and with ours.
    fn headers(
        &self,
        rules: &Rules,
        permit: &Permit,
        way: &Way,
        parts: &mut Parts,
        outgoing: &Outgoing,
    ) -> Result<HeaderMap, UpstreamError> {
        let mut headers = std::mem::take(&mut parts.headers);
        let request = permit.request();
        let trailers = request::clean(&mut headers, &rules.twins, outgoing.cookie());
        let setting = Setting {
            host: &request.host,
            host_header: way.host_header.as_ref(),
            client: self.addresses.value(request.client),
            proto: rules.scheme,
            trailers,
        };
        request::set_ours(&mut headers, &setting, parts.uri.authority(), outgoing);
        via::add_to_request(&mut headers, parts.version)?;
        Ok(headers)
    }

    fn answer(
        &self,
        answer: Answer,
        mut lease: Lease,
        upgrade: Option<Upgrade>,
        (protected, watch): (bool, Option<Watch>),
        body_idle: Duration,
    ) -> Result<Response<Body>, UpstreamError> {
        let (mut head, body) = answer.into_parts();
        let extended = upgrade.as_ref().is_some_and(|upgrade| upgrade.extended.is_some());
        let switched = upgrade.filter(|upgrade| upgrade.is_agreed(&head));
        // Over HTTP/2 a 2xx would open what the app has not agreed to.
        let forged = head.status.is_informational() || (extended && head.status.is_success());
        if forged && switched.is_none() {
            return Err(UpstreamError::sent(Fault::Broken));
        }
        response::clean(&mut head.headers, protected)?;
        via::add_to_response(&mut head.headers, head.version);
        head.version = Version::HTTP_11;
        let extensions = std::mem::take(&mut head.extensions);
        let Some(Upgrade { client, slot, kept, .. }) = switched else {
            let whole = lease.wire().filter(|_| body.is_none()).and_then(Wire::take_whole);
            let body = if let Some(bytes) = whole {
                lease.give_back();
                Body::from(bytes)
            } else {
                let body = Download::new(body, lease, body_idle);
                Body::Upstream(Box::new(self.lasting(body, watch, &head.headers)))
            };
            return Ok(Response::from_parts(head, body));
        };
        if extended {
            websocket::opened(&mut head);
        } else {
            websocket::announce(&mut head.headers);
        }
        let watched = watch.map(|watch| self.watches.add(watch, Kind::WebSocket));
        let app = extensions.get::<OnUpgrade>().cloned();
        self.tunnels.open(slot, watched, async move {
            let app = app?.await.ok()?;
            let client = client.await.ok()?;
            // The connection's own task has handed the socket over; until then it had to live.
            drop(lease);
            Some((TokioIo::new(client), TokioIo::new(app), kept))
        });
        Ok(Response::from_parts(head, Body::Empty))
    }

    /// The body under its watch.
    fn lasting(&self, body: Download, watch: Option<Watch>, headers: &HeaderMap) -> Lasting {
        match watch {
            Some(watch) => {
                let events = body.size_hint().exact().is_none() && event_stream::is_endable(headers);
                Lasting::watched(body, watch, &self.watches, events)
            }
            None => Lasting::free(body),
        }
    }
}

/// The request as it was judged, in origin form.
fn request_line(permit: &Permit, headers: HeaderMap, upload: Upload) -> Request<Upload> {
    let mut request = Request::new(upload);
    *request.method_mut() = permit.request().method.clone();
    *request.uri_mut() = Uri::from(permit.request().target.clone());
    *request.headers_mut() = headers;
    request
}

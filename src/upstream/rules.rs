//! What a configuration says about forwarding, prepared: where each route leads, within which
//! bounds, and which headers never pass.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::config::{Settings, settings};
use crate::policy::Route;

use super::error::{Fault, UpstreamError};
use super::exchange::Deadlines;
use super::origin::{Origin, OriginError, Origins};
use super::tls::SystemRoots;
use super::twins::Twins;
use super::upload::{Progress, Upload};

/// The body to send.
#[derive(Debug)]
pub enum Payload {
    /// None, or it has been read already.
    None,
    /// The client's, as it comes.
    Stream(Incoming),
    /// One that was kept during a challenge.
    Held(Bytes),
}

/// What a configuration says about forwarding. A request is forwarded by the same one it was judged
/// by, or a reload could let through a header that has just become an identity's.
#[derive(Debug)]
pub struct Rules {
    pub(super) twins: Arc<Twins>,
    pub(super) scheme: &'static str,
    max_body: Option<u64>,
    /// By the routes' places in the configuration.
    ways: Vec<Option<Way>>,
    origins: Origins,
}

/// Where a route leads.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) origin: Arc<Origin>,
    pub(super) deadlines: Deadlines,
    /// `Host` for the app where the route names one.
    pub(super) host_header: Option<HeaderValue>,
}

impl Rules {
    /// Prepares what `settings` say. Upstreams that `before` has too stay the same, with their
    /// connections.
    ///
    /// # Errors
    /// When an upstream's TLS cannot be set up.
    pub fn new(settings: &Settings, before: Option<&Self>) -> Result<Self, OriginError> {
        let mut origins = Origins::default();
        let mut system = SystemRoots::default();
        let before = before.map(|rules| &rules.origins);
        let ways = settings
            .routes
            .iter()
            .map(|route| {
                let Some(upstream) = &route.upstream else {
                    return Ok(None);
                };
                let origin = origins.get(upstream, before, &mut system)?;
                Ok(Some(Way::new(origin, route, &settings.server.timeouts)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            twins: Arc::new(Twins::configured(settings)),
            scheme: if settings.server.public_url.https {
                "https"
            } else {
                "http"
            },
            max_body: settings.server.max_body,
            ways,
            origins,
        })
    }

    pub(super) fn way(&self, route: &Route) -> Result<&Way, UpstreamError> {
        let way = self.ways.get(route.index).and_then(Option::as_ref);
        way.ok_or(UpstreamError::unsent(Fault::NoUpstream))
    }

    /// Whether a header of this name, from whoever sends it, must not reach an app.
    #[must_use]
    pub fn removes(&self, name: &HeaderName) -> bool {
        self.twins.contains(name)
    }

    /// The body under its bounds.
    pub(super) fn upload(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Payload,
        way: &Way,
    ) -> Result<(Upload, Option<Arc<Progress>>), UpstreamError> {
        let body = match body {
            Payload::Stream(body) if !body.is_end_stream() => body,
            Payload::None | Payload::Stream(_) => return Ok((Upload::none(), None)),
            Payload::Held(bytes) => return Ok((Upload::held(bytes), None)),
        };
        let most = route.max_body.or(self.max_body);
        let declared = body.size_hint().exact().or_else(|| declared(headers));
        if most.is_some_and(|most| declared.is_some_and(|length| length > most)) {
            return Err(UpstreamError::unsent(Fault::TooLarge));
        }
        let call = (way.origin.may_multiplex() && is_grpc(headers)).then(|| Arc::clone(&self.twins));
        let (upload, progress) = Upload::new(body, most, way.deadlines.body_idle, call);
        Ok((upload, Some(progress)))
    }
}

impl Way {
    fn new(origin: Arc<Origin>, route: &settings::Route, server: &settings::Timeouts) -> Self {
        let own = &route.timeouts;
        let deadlines = Deadlines {
            connect: own.connect.unwrap_or(server.upstream_connect),
            response: own.response.unwrap_or(server.upstream_response),
            body_idle: own.body_idle.unwrap_or(server.body_idle),
        };
        // Checked when it was read.
        let host_header = route.host_header.as_deref().and_then(|host| HeaderValue::from_str(host).ok());
        Self { origin, deadlines, host_header }
    }
}

/// Whether a request is a call of gRPC.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

//! The gate beside another proxy: who may ask, and the same judgement for what it asks about.
//!
//! A check is answered only for peers in `server.trusted_proxies`; for anybody else it does not
//! exist (security.md A01). What such a peer says about the client's request becomes one canonical
//! request like any other. No body is ever read here and no form is kept: the other proxy has them.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::answer::{Problem, reference};
use super::judge::RESERVED;
use super::{Gate, Judgement, canonical};
use crate::observe::metrics;
use crate::policy::{CanonicalRequest, Door, Reserved};
use crate::upstream::{Body, Peer, is_same_origin};

const OURS: canonical::Refusal = canonical::Refusal {
    status: StatusCode::FORBIDDEN,
    code: "reserved",
    why: "paths below the reserved prefix are to be sent here, not checked here",
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const ERROR: HeaderName = HeaderName::from_static("stepgate-error");

/// A client's request, as the proxy that holds it describes it.
#[derive(Debug)]
pub struct Asked {
    pub method: Method,
    /// Host, with the port where the client wrote one.
    pub authority: HeaderValue,
    pub target: PathAndQuery,
    pub client: Client,
}

/// How the proxy names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// By `X-Forwarded-For`.
    Forwarded,
    /// By its address; `X-Forwarded-For` counts if that is itself a trusted proxy.
    Is(IpAddr),
}

/// A description from which no single request can be made. Never an allow (ux.md D-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what} {why}")]
pub struct Unclear {
    /// Stable, for the proxy's log.
    pub code: &'static str,
    pub why: &'static str,
    /// The header or field it is about.
    pub what: &'static str,
}

impl Unclear {
    #[must_use]
    pub const fn missing(what: &'static str) -> Self {
        Self { code: "SG-A01", why: "is missing", what }
    }

    #[must_use]
    pub const fn twice(what: &'static str) -> Self {
        Self { code: "SG-A02", why: "is there more than once", what }
    }

    #[must_use]
    pub const fn unreadable(what: &'static str) -> Self {
        Self { code: "SG-A03", why: "cannot be read", what }
    }

    #[must_use]
    pub const fn contradiction(what: &'static str) -> Self {
        Self { code: "SG-A04", why: "says something else than the rest", what }
    }
}

/// Why a check is not judged.
#[derive(Clone, Copy)]
enum Not {
    /// The peer may not ask.
    Trusted,
    Clear(Unclear),
    /// Not one request, but several, as the reverse proxy would refuse it.
    One(canonical::Refusal),
}

impl From<Unclear> for Not {
    fn from(unclear: Unclear) -> Self {
        Self::Clear(unclear)
    }
}

impl From<canonical::Refusal> for Not {
    fn from(refusal: canonical::Refusal) -> Self {
        Self::One(refusal)
    }
}

const HOST: Unclear = Unclear::unreadable("the host");

impl Gate {
    /// Judges the request that another proxy asks about. `parts` has the client's own headers.
    ///
    /// A judgement to forward is the allow: the permit is consumed by whoever tells the proxy.
    pub async fn check(&self, door: Door, asked: Asked, parts: &mut Parts, peer: Peer) -> Judgement {
        let request = match self.asked(door, &asked, parts, peer) {
            Ok(request) => request,
            Err(Not::Trusted) => return Judgement::Answer(self.nothing_here(&parts.headers)),
            Err(Not::Clear(unclear)) => return Judgement::Answer(self.unclear(door, unclear)),
            Err(Not::One(refusal)) => return Judgement::Answer(self.refused(parts, &refusal, door)),
        };
        // Pages and API are never behind another proxy's check: the request belongs here itself.
        match request.reserved(&self.policy.settings().server.prefix) {
            Reserved::Outside => {}
            Reserved::Inside => return Judgement::Answer(self.refused(parts, &OURS, door)),
            Reserved::Ambiguous => return Judgement::Answer(self.refused(parts, &RESERVED, door)),
        }
        let Some(route) = self.policy.route_for(&request.host).cloned() else {
            return self.nowhere(parts, &request).await;
        };
        let judgement = self.judge_on(&route, request, parts, &mut None, peer).await;
        match judgement {
            Judgement::Forward { permit, .. }
                if permit.identity().is_some() && self.is_foreign(parts, &asked) =>
            {
                let problem = Problem::new(
                    StatusCode::FORBIDDEN,
                    "foreign_origin",
                    "A WebSocket opened by another site",
                );
                Judgement::Answer(problem.response(&reference()))
            }
            judgement => judgement,
        }
    }

    fn asked(&self, door: Door, asked: &Asked, parts: &Parts, peer: Peer) -> Result<CanonicalRequest, Not> {
        if !self.trusts(peer.ip()) {
            return Err(Not::Trusted);
        }
        let client = match asked.client {
            Client::Is(address) => self.behind(address, &parts.headers),
            Client::Forwarded => {
                names_a_client(&parts.headers)?;
                self.behind(peer.ip(), &parts.headers)
            }
        };
        let authority = asked.authority.to_str().map_err(|_| HOST)?;
        let host = canonical::canonical_host(authority).map_err(|_| HOST)?;
        let host = self.policy.known_host(&host).cloned().unwrap_or_else(|| Arc::from(&*host));
        let (method, target) = (asked.method.clone(), asked.target.clone());
        let mut request = canonical::judge(method, host, target, client, &self.policy)?;
        request.door = door;
        Ok(request)
    }

    /// The right-most address that no trusted proxy has, from `near` on. Only `X-Forwarded-For`: what
    /// else speaks of addresses may be the client's own, passed on.
    fn behind(&self, near: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = near.to_canonical();
        for address in forwarded(headers) {
            match address {
                Some(address) if self.trusts(client) => client = address,
                _ => break,
            }
        }
        client
    }

    /// Whether a page of another site opens a WebSocket (security.md G09). Proxies do not pass
    /// `Upgrade` on, so what only a handshake carries counts as well.
    fn is_foreign(&self, parts: &Parts, asked: &Asked) -> bool {
        let headers = &parts.headers;
        let mode = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "websocket");
        let upgrade = headers
            .get(http::header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let handshake = mode || upgrade || headers.contains_key(http::header::SEC_WEBSOCKET_KEY);
        let scheme = if self.policy.settings().server.public_url.https {
            "https"
        } else {
            "http"
        };
        handshake && !is_same_origin(headers, scheme, &asked.authority)
    }

    /// 403: the proxy's own configuration is to blame, and its log shall say so.
    #[must_use]
    pub fn unclear(&self, door: Door, unclear: Unclear) -> Response<Body> {
        metrics().decided("none", "refuse", door.name());
        tracing::warn!(door = door.name(), error = %unclear, "a proxy asked about a request without saying which");
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "check_unclear",
            "The proxy does not say which request this is",
        )
        .with("detail", format!("{} {}", unclear.what, unclear.why))
        .with("error", unclear.code);
        let mut response = problem.response(&reference());
        response.headers_mut().insert(ERROR, HeaderValue::from_static(unclear.code));
        response
    }
}

/// What `X-Forwarded-For` lists, the nearest first; `None` for what is no address.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| {
        let text = line.to_str().unwrap_or_default();
        text.rsplit(',')
            .map(|token| canonical::address(token.trim_matches([' ', '\t'])))
    })
}

/// Whether the nearest address is one: without it the client would be the proxy.
fn names_a_client(headers: &HeaderMap) -> Result<(), Unclear> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back();
    if last.is_none_or(HeaderValue::is_empty) {
        return Err(Unclear::missing("X-Forwarded-For"));
    }
    let nearest = forwarded(headers).next().flatten();
    nearest.map(drop).ok_or(Unclear::unreadable("X-Forwarded-For"))
}

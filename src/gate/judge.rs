//! One request, judged: the steps from canonical request to the decision, top to bottom. What follows from
//! the decision is `carry_out.rs`.
//!
//! Everything an ordinary request needs is in memory. What is looked up (a session not seen by
//! this process yet, a grant, what somebody has enrolled) is looked up only when the decision
//! hangs on it.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

use super::{Gate, Judgement, activity, canonical, forwarded};
use crate::ambient::UnixTime;
use crate::config::settings::SourceSet;
use crate::identity::{Credentials, Established, IdentityError, Recall};
use crate::policy::{
    CanonicalRequest, Decision, Demand, Door, Enrolled, Facts, LevelSet, Missing, Question, Reserved, Route,
};
use crate::session::{Carried, Remembered};
use crate::store::AuditEvent;
use crate::upstream::{AppCookie, Body, Peer};

pub(super) const RESERVED: canonical::Refusal = canonical::Refusal {
    status: StatusCode::BAD_REQUEST,
    code: "reserved_ambiguous",
    why: "the path could be read as the reserved prefix",
};

/// The one path outside the reserved prefix that is ours, on one host, where origins are configured.
const RELATED_ORIGINS: &str = "/.well-known/webauthn";

/// What is known about who asks, while one request is judged.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) established: Established,
    pub(super) claim: Option<Arc<Remembered>>,
    /// What is left of the `Cookie` field for the app, where it was worked out before.
    pub(super) cookie: Option<AppCookie>,
}

/// Facts that are looked up only for a second look.
#[derive(Clone, Copy)]
pub(super) struct Learned {
    enrolled: Enrolled,
    grace_until: Option<UnixTime>,
    granted: LevelSet,
}

impl Learned {
    /// Nothing looked up yet: nothing relaxes.
    pub(super) const NOTHING: Self =
        Self { enrolled: Enrolled::Unknown, grace_until: None, granted: LevelSet::EMPTY };
}

impl Gate {
    /// Judges one request. `body` is taken only where a form is kept over a challenge.
    pub async fn judge(&self, parts: &mut Parts, body: &mut Option<Incoming>, peer: Peer) -> Judgement {
        let settings = self.policy.settings();
        let read = forwarded::adopt_host(parts, peer.ip(), &settings.server.trusted_proxies)
            .and_then(|()| canonical::read(parts, peer.ip(), &settings.server.trusted_proxies, &self.policy));
        let request = match read {
            Ok(request) => self.with_device(request, parts, peer),
            Err(refusal) => return Judgement::Answer(self.refused(parts, &refusal, Door::Proxy)),
        };
        match request.reserved(&settings.server.prefix) {
            Reserved::Outside => {}
            Reserved::Inside if self.is_portals(&request) => return Judgement::Portal,
            Reserved::Inside => {
                return Judgement::Answer(Box::pin(self.site_endpoint(&request, parts, peer)).await);
            }
            Reserved::Ambiguous => return Judgement::Answer(self.refused(parts, &RESERVED, Door::Proxy)),
        }
        if self.tells_related_origins(&request) {
            return Judgement::Portal;
        }
        let Some(route) = self.policy.route_for(&request.host).cloned() else {
            return Box::pin(self.without_route(parts, request)).await;
        };
        if route
            .max_header
            .is_some_and(|most| canonical::header_size(&parts.headers) > most)
        {
            return Judgement::Answer(self.refused(parts, &canonical::HEADERS_TOO_LARGE, Door::Proxy));
        }
        self.judge_on(&route, request, parts, body, peer).await
    }

    /// Whether a request below the prefix is for the pages and the API: on the portal's own host, and
    /// not one of the few paths that every site has.
    fn is_portals(&self, request: &CanonicalRequest) -> bool {
        let server = &self.policy.settings().server;
        let rest = request.target.path().strip_prefix(&*server.prefix);
        *request.host == *server.public_url.host && !matches!(rest, Some("/callback" | "/jwks.json"))
    }

    /// Whether a browser asks which other origins may use our passkeys (WebAuthn L3 5.11.1). It asks the
    /// host that they are made for, without a cookie, and whether or not an app is there.
    fn tells_related_origins(&self, request: &CanonicalRequest) -> bool {
        let settings = self.policy.settings();
        let passkey = &settings.factors.passkey;
        !passkey.related_origins.is_empty()
            && request.target.as_str() == RELATED_ORIGINS
            && (*request.host == *passkey.relying_party || *request.host == *settings.server.public_url.host)
            && matches!(request.method, Method::GET | Method::HEAD)
    }

    /// A host without a route: the portal's own, or nobody's, which is denied.
    async fn without_route(&self, parts: &Parts, request: CanonicalRequest) -> Judgement {
        if *request.host == *self.policy.settings().server.public_url.host {
            return Judgement::Portal;
        }
        self.nowhere(parts, &request).await
    }

    /// No route names the host: nobody passes.
    pub(super) async fn nowhere(&self, parts: &Parts, request: &CanonicalRequest) -> Judgement {
        let event = AuditEvent::new(self.now(), "request.denied", "no_route")
            .from(request.client)
            .with("host", &*request.host);
        Judgement::Answer(self.denied(parts, ("none", request.door), None, event).await)
    }

    /// Judges one request to a route, through whichever door it came, asking whatever must be asked.
    pub(super) async fn at_length(
        &self,
        route: &Arc<Route>,
        request: CanonicalRequest,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        (peer, now): (Peer, UnixTime),
    ) -> Judgement {
        let of_anyone = self.of_anyone(route, &request, now);
        if route.may_be_public
            && let Some(demand) = of_anyone.filter(|demand| demand.is_public() || demand.is_deny())
        {
            let question = question(request, route, demand, None, Learned::NOTHING, now);
            return self.carry_out(self.policy.decide(question), route, parts, body, None).await;
        }
        if self.shared.revocations.is_stale(now) {
            return Judgement::Answer(
                self.answers.unavailable(&parts.headers, &"the revocation feed is stale"),
            );
        }
        let asker = match self.find_out(route, &request, parts, peer, now).await {
            Ok(asker) => asker,
            Err(answer) => return Judgement::Answer(answer),
        };
        let asker = asker.as_ref();
        let demand = self.demand(of_anyone, route, &request, asker, now);
        if let Some(asker) = asker {
            activity::note(&asker.established, demand.activity(), &request.method, &parts.headers, now);
        }
        let question = question(request, route, demand, asker, Learned::NOTHING, now);
        self.judge_for(question, parts, body, asker).await
    }

    /// What is asked of this person: `of_anyone`, unless that can hang on who they are.
    pub(super) fn demand(
        &self,
        of_anyone: Option<Demand>,
        route: &Route,
        request: &CanonicalRequest,
        asker: Option<&Asker>,
        now: UnixTime,
    ) -> Demand {
        let identity = asker.map(|asker| &*asker.established.identity);
        of_anyone
            .filter(|_| !route.asks_person)
            .unwrap_or_else(|| self.policy.demand(route, request, &Facts { identity, now }))
    }

    /// Who asks, as their cookies and headers say.
    async fn find_out(
        &self,
        route: &Route,
        request: &CanonicalRequest,
        parts: &Parts,
        peer: Peer,
        now: UnixTime,
    ) -> Result<Option<Asker>, Response<Body>> {
        let asker = match self.who(route, request, parts, peer, now).await {
            Ok(asker) => asker,
            Err(error) => return Err(self.not_identified(parts, &error, request.door)),
        };
        if let Some(asker) = &asker
            && let Some(session) = &asker.established.live
            && asker.claim.is_some() == self.shared.mode.read(&parts.headers).claim.is_some()
        {
            self.faces.remember(&parts.headers, session, asker);
        }
        Ok(asker)
    }

    /// Who asks at this site, with the claim they carry there.
    pub(super) async fn who(
        &self,
        route: &Route,
        request: &CanonicalRequest,
        parts: &Parts,
        peer: Peer,
        now: UnixTime,
    ) -> Result<Option<Asker>, IdentityError> {
        let cookies = self.shared.mode.read(&parts.headers);
        let credentials = Credentials::of(request, parts, peer.ip(), cookies);
        let established = self.identify(credentials, route.identity, now).await?;
        Ok(established.map(|established| self.asker(established, cookies, &request.host, now)))
    }

    /// The decision for a request whose asker, if there is one, is known.
    async fn judge_for(
        &self,
        first: Question<'_>,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        asker: Option<&Asker>,
    ) -> Judgement {
        let (route, demand, now) = (first.route, first.demand, first.now);
        let decision = match (self.policy.decide(first), asker) {
            (Decision::Challenge(request, missing), Some(asker)) => {
                let learned = match self.learn(&request, &missing, asker, parts, now).await {
                    Ok(learned) => learned,
                    Err(answer) => return Judgement::Answer(answer),
                };
                self.policy.decide(question(request, route, demand, Some(asker), learned, now))
            }
            (decision, _) => decision,
        };
        self.carry_out(decision, route, parts, body, asker).await
    }

    /// Who it is, as the accepted sources say: from memory if possible.
    pub(super) async fn identify(
        &self,
        credentials: Credentials<'_>,
        accepted: SourceSet,
        now: UnixTime,
    ) -> Result<Option<Established>, IdentityError> {
        match self.sources.recall(&credentials, accepted, now)? {
            Recall::Known(established) => Ok(Some(established)),
            Recall::Nothing => Ok(None),
            Recall::Ask => self.sources.establish(credentials, accepted, now).await,
        }
    }

    fn asker(&self, established: Established, cookies: Carried<'_>, site: &str, now: UnixTime) -> Asker {
        let claim = cookies
            .claim
            .and_then(|token| self.claims.verified(token, site, &established.identity, now));
        Asker { established, claim, cookie: None }
    }

    /// Looks up what could still turn a challenge into an allow.
    async fn learn(
        &self,
        request: &CanonicalRequest,
        missing: &Missing,
        asker: &Asker,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<Learned, Response<Body>> {
        let person = &asker.established.identity.key;
        let settings = self.policy.settings();
        let mut learned = Learned::NOTHING;
        let period = settings.enrolment.grace_period;
        if !missing.demand.optional().is_empty() || period.is_some() {
            learned.enrolled = self.people.enrolled(person, settings.factors.enabled).await;
        }
        if let (Some(period), Enrolled::Kinds(kinds)) = (period, learned.enrolled)
            && kinds.is_empty()
        {
            learned.grace_until = self.people.grace_until(person, seconds(period), now).await;
        }
        if !missing.levels.intersection(self.policy.once()).is_empty() {
            let taken = self.take_grant(request, asker, now).await;
            learned.granted = taken.map_err(|error| self.answers.unavailable(&parts.headers, &error))?;
        }
        let inline = self
            .inline_code(request, asker.established.clone(), asker.claim.as_ref(), parts)
            .await?;
        learned.granted = learned.granted.union(inline);
        Ok(learned)
    }
}

pub(super) fn question<'a>(
    request: CanonicalRequest,
    route: &'a Arc<Route>,
    demand: Demand,
    asker: Option<&'a Asker>,
    learned: Learned,
    now: UnixTime,
) -> Question<'a> {
    Question {
        request,
        route,
        demand,
        identity: asker.map(|asker| Arc::clone(&asker.established.identity)),
        deadlines: asker.and_then(|asker| asker.claim.as_ref()).map(|claim| &claim.deadlines),
        enrolled: learned.enrolled,
        grace_until: learned.grace_until,
        granted: learned.granted,
        now,
    }
}

fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

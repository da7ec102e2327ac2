//! What follows from a decision: the door's next move, and what is written down about it.
//!
//! Forwarding, a sign-in at the app, a way to prove more, or a refusal. Decides nothing: whoever is let through
//! here has the permit that the policy made.

use std::ops::ControlFlow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;

use super::answer::{Problem, Reason};
use super::audit::NotRecorded;
use super::judge::Asker;
use super::{Gate, Judgement, canonical, held};
use crate::identity::IdentityError;
use crate::observe::metrics;
use crate::policy::{
    Accepted, AllowReason, CanonicalRequest, Decision, Door, LevelSet, Missing, Permit, Route,
};
use crate::store::AuditEvent;
use crate::upstream::{Body, Outgoing};

/// Characters of a path that an audit record keeps.
const LONGEST_PATH: usize = 256;

impl Gate {
    /// Turns the decision into what the door does, and tells the audit log of all but a plain allow.
    pub(super) async fn carry_out(
        &self,
        decision: Decision,
        route: &Arc<Route>,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        asker: Option<&Asker>,
    ) -> Judgement {
        match decision {
            Decision::Allow(permit) => self.let_through(permit, route, parts, body, asker).await,
            Decision::SignIn(request) => {
                let event = self.event("request.sign_in", "unknown", &request, route, route.line);
                self.ask(parts, body, request, route, event, None).await
            }
            Decision::Challenge(request, missing) => {
                let levels = self.policy.level_names(missing.levels).collect::<Vec<_>>().join(" ");
                let event = self
                    .event(
                        "request.challenged",
                        "insufficient",
                        &request,
                        route,
                        route.line_of(&missing.demand),
                    )
                    .with("levels", levels);
                let event = with_person(event, asker);
                self.ask(parts, body, request, route, event, asker.map(|asker| (asker, missing)))
                    .await
            }
            Decision::Deny(request, reason) => {
                let event = self.event("request.denied", reason.name(), &request, route, route.line);
                let account = asker.map(|asker| asker.established.identity.display_name());
                Judgement::Answer(
                    self.denied(parts, (&route.name, request.door), account, with_person(event, asker))
                        .await,
                )
            }
        }
    }

    async fn let_through(
        &self,
        permit: Permit,
        route: &Arc<Route>,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        asker: Option<&Asker>,
    ) -> Judgement {
        if permit.reason() == AllowReason::Grace {
            let event = with_person(
                self.event("request.allowed", "grace", permit.request(), route, route.line),
                asker,
            );
            metrics().decided(&route.name, "grace", permit.request().door.name());
            if let Err(error) = self.record(event).await {
                return Judgement::Answer(self.answers.unavailable(&parts.headers, &error));
            }
        } else {
            self.allowed(route, permit.request().door);
        }
        let permit = match self.sign_in_to_app(permit, route, parts, asker).await {
            ControlFlow::Break(judgement) => return judgement,
            ControlFlow::Continue(permit) => permit,
        };
        let outgoing = self.outgoing(&permit, route, asker);
        let request = permit.request();
        let mut replacement = match held::exchange(self, parts, body, request, permit.identity()).await {
            Ok(replacement) => replacement,
            Err(answer) => return Judgement::Answer(answer),
        };
        let onlookers = if self.is_watched(route, request) {
            self.watch_login((route, request), parts, (body, &mut replacement), asker).await
        } else {
            self.onlookers((route, request), &parts.headers, asker, None)
        };
        match onlookers {
            Ok(onlookers) => Judgement::Forward { permit, outgoing, body: replacement, onlookers },
            Err(error) => Judgement::Answer(self.not_identified(parts, &error, request.door)),
        }
    }

    /// The headers that tell the app who it is.
    pub(super) fn outgoing(&self, permit: &Permit, route: &Arc<Route>, asker: Option<&Asker>) -> Outgoing {
        match (permit.identity(), asker) {
            (Some(identity), Some(asker)) => {
                let ring = self.shared.ring.load();
                let outgoing = self.informer.outgoing(
                    identity,
                    asker.claim.as_ref(),
                    (route, permit.request()),
                    permit.met(),
                    (&self.policy, &ring, self.now()),
                    (asker.established.expires, || self.warrant(asker)),
                );
                match &asker.cookie {
                    Some(prepared) => outgoing.with_cookie(prepared.clone()),
                    None => outgoing,
                }
            }
            _ => self.informer.nobody(route, permit.request().door),
        }
    }

    /// Asks for a sign-in or for more proof: people are led there, programs are told how.
    async fn ask(
        &self,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        request: CanonicalRequest,
        route: &Arc<Route>,
        event: AuditEvent,
        missing: Option<(&Asker, Missing)>,
    ) -> Judgement {
        let decision = if missing.is_some() { "challenge" } else { "sign_in" };
        metrics().decided(&route.name, decision, request.door.name());
        if let Err(error) = self.record(event).await {
            return Judgement::Answer(self.answers.unavailable(&parts.headers, &error));
        }
        let answer = missing
            .as_ref()
            .map_or(crate::config::settings::Answer::Auto, |(_, m)| route.answer(&m.demand));
        let person =
            answer == crate::config::settings::Answer::Auto && super::client::navigates(&parts.headers);
        let origin = self.origin_of(&request.host);
        let reason = missing.as_ref().map_or(Reason::SIGN_IN, |_| Reason::PROOF);
        if missing.is_none()
            && let Some(mut answer) = self.at_the_doorstep(parts, &request, route, person)
        {
            answer.extensions_mut().get_or_insert(Reason::SIGN_IN);
            return Judgement::Answer(answer);
        }
        let mut answer = match (person, missing) {
            (false, Some((asker, missing))) => {
                let accepted = self.still_accepted(asker, LevelSet::EMPTY.with(missing.next));
                let asked = (missing.next, &accepted);
                self.answers.insufficient(&self.policy, &request, asked, &origin)
            }
            (false, None) => self.answers.unknown(&request, &origin, self.has_sign_in(route.identity)),
            (true, missing) => {
                let identity = missing.map(|(asker, _)| Arc::clone(&asker.established.identity));
                self.lead_away(parts, body, &request, route, identity).await
            }
        };
        answer.extensions_mut().get_or_insert(reason);
        Judgement::Answer(answer)
    }

    /// What counts for these levels beside what this person has proved.
    fn still_accepted(&self, asker: &Asker, levels: LevelSet) -> Accepted {
        let proofs = asker.claim.as_ref().map(|claim| claim.claim.proofs.as_slice());
        let on = self.policy.settings().factors.enabled;
        self.policy
            .remaining(levels, proofs.unwrap_or_default(), on, self.now())
            .accepted
    }

    /// Makes a record durable; of nobody in particular only so many a minute from one network.
    async fn record(&self, event: AuditEvent) -> Result<(), NotRecorded> {
        let stranger = event.from.filter(|_| event.who.is_none());
        if stranger.is_some_and(|address| self.shared.strangers.admit(address).is_err()) {
            tracing::info!(what = %event.what, route = event.route, "not recorded: too many of this network");
            return Ok(());
        }
        self.shared.audit.record(event).await
    }

    /// An audit event about one request.
    fn event(
        &self,
        what: &str,
        result: &str,
        request: &CanonicalRequest,
        route: &Route,
        line: u32,
    ) -> AuditEvent {
        let event = AuditEvent::new(self.now(), what, result)
            .from(request.client)
            .route(&route.name)
            .rule(&format!("line {line}"))
            .with("method", request.method.as_str())
            .with("path", request.target.path().chars().take(LONGEST_PATH).collect::<String>());
        match request.door {
            Door::Proxy => event,
            door => event.with("door", door.name()),
        }
    }

    pub(super) async fn denied(
        &self,
        parts: &Parts,
        (route, door): (&str, Door),
        account: Option<&str>,
        event: AuditEvent,
    ) -> Response<Body> {
        metrics().decided(route, "deny", door.name());
        if let Err(error) = self.record(event).await {
            return self.answers.unavailable(&parts.headers, &error);
        }
        let problem = Problem::new(StatusCode::FORBIDDEN, "denied", "Not allowed");
        self.answers
            .either(&parts.headers, problem, |pages, reference| pages.not_allowed(account, reference))
    }

    /// Who it is could not be told.
    pub(super) fn not_identified(&self, parts: &Parts, error: &IdentityError, door: Door) -> Response<Body> {
        match error {
            IdentityError::Refused(why) => {
                let refusal = canonical::Refusal { status: StatusCode::BAD_REQUEST, code: "identity", why };
                self.refused(parts, &refusal, door)
            }
            IdentityError::Unavailable(_) | IdentityError::NotReached(_) => {
                self.answers.unavailable(&parts.headers, error)
            }
            IdentityError::Locked(seconds) => {
                let wait = u32::try_from(*seconds).unwrap_or(u32::MAX);
                self.answers.too_many(&parts.headers, wait, self.now())
            }
        }
    }

    /// A request that has no single meaning never reaches the policy.
    pub(super) fn refused(&self, parts: &Parts, refusal: &canonical::Refusal, door: Door) -> Response<Body> {
        metrics().decided("none", "refuse", door.name());
        tracing::warn!(code = refusal.code, why = refusal.why, "a request was refused");
        let problem =
            Problem::new(refusal.status, refusal.code, "The request was refused").with("detail", refusal.why);
        let mut response = self
            .answers
            .either(&parts.headers, problem, |pages, reference| pages.bad_request(reference));
        *response.status_mut() = refusal.status;
        // Whatever follows on this connection is not trusted to be a new request.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

fn with_person(event: AuditEvent, asker: Option<&Asker>) -> AuditEvent {
    match asker {
        Some(asker) => event.who(asker.established.identity.key.as_str()),
        None => event,
    }
}

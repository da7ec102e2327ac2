//! What every site serves below the reserved prefix: callback, sign-out, public keys, static files.
//!
//! Pages and API live on the portal's origin only (decision 1).

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::answer::{Problem, from_page, reference};
use super::hand_off::{self, Cargo, Guest};
use super::pages::SendNow;
use super::{Gate, client, held, journeys};
use crate::ambient::UnixTime;
use crate::policy::{Binding, CanonicalRequest, SubjectKey};
use crate::session::{Claim, NewPerson, Ours};
use crate::store::{AuditEvent, StoreError};
use crate::upstream::{Body, Peer};

/// Seconds for which the click on "Send it now" may wait.
const SEND_WITHIN: i64 = 15 * 60;

/// What came of a hand-off.
enum Received {
    /// The journey, and the cookies that came with it.
    Here(String, Vec<HeaderValue>),
    /// The journey of a browser that is ours, but not this one.
    Again(String),
    /// No such code, or a browser that never set out.
    Nothing,
}

impl Gate {
    /// Answers a request below the prefix on a site that is not the portal.
    pub(super) async fn site_endpoint(
        &self,
        request: &CanonicalRequest,
        parts: &Parts,
        peer: Peer,
    ) -> Response<Body> {
        let prefix = &self.policy.settings().server.prefix;
        let portal = *request.host == *self.policy.settings().server.public_url.host;
        let known = portal || self.policy.route_for(&request.host).is_some();
        let rest = request
            .target
            .path()
            .strip_prefix(&**prefix)
            .and_then(|rest| rest.strip_prefix('/'));
        let (Some(rest), true) = (rest, known) else {
            return self.nothing_here(&parts.headers);
        };
        match (rest, &request.method) {
            ("callback", &Method::GET) => self.callback(request, parts).await,
            ("vouch", &Method::GET) if !portal => self.vouch(request, parts, peer).await,
            ("sign-out", &Method::GET) => {
                from_page(self.answers.pages().sign_out(&format!("{prefix}/sign-out")))
            }
            ("sign-out", &Method::POST) => self.sign_out_here(request, parts, peer).await,
            ("jwks.json", &Method::GET | &Method::HEAD) => self.jwks(),
            (rest, &Method::GET | &Method::HEAD) => match rest.strip_prefix("assets/") {
                Some(name) => self
                    .answers
                    .pages()
                    .asset(name)
                    .map_or_else(|| self.nothing_here(&parts.headers), from_page),
                None => self.nothing_here(&parts.headers),
            },
            _ => self.nothing_here(&parts.headers),
        }
    }

    /// 404 below the reserved prefix.
    #[must_use]
    pub fn nothing_here(&self, headers: &HeaderMap) -> Response<Body> {
        let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here");
        self.answers
            .either(headers, problem, |pages, reference| pages.not_found(reference))
    }

    /// Public keys of claims and assertions.
    #[must_use]
    pub fn jwks(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.shared.ring.load().jwks().to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }

    /// Where a journey ends: with a hand-off code on another site, or by its own id where the
    /// portal and the app share an origin and a form was kept.
    pub async fn callback(&self, request: &CanonicalRequest, parts: &Parts) -> Response<Body> {
        let query = request.query().unwrap_or_default();
        let parameter = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let now = self.now();
        let arrived = match (parameter("code"), parameter("j")) {
            (Some(code), _) => self.receive(&code, request, parts, now).await,
            (None, Some(journey)) => Ok(Received::Here(journey, Vec::new())),
            (None, None) => Ok(Received::Nothing),
        };
        match arrived {
            Ok(Received::Here(journey, cookies)) => self.land(&journey, cookies, request, parts, now).await,
            Ok(Received::Again(journey)) => self.set_out_again(&journey, request, parts, now).await,
            Ok(Received::Nothing) => from_page(self.answers.pages().bad_request(&reference())),
            Err(error) => self.answers.unavailable(&parts.headers, &error),
        }
    }

    /// Takes a hand-off; its cookies, if it is for this browser.
    async fn receive(
        &self,
        code: &str,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<Received, StoreError> {
        let nonce = self.shared.mode.read(&parts.headers).browser.map(journeys::nonce_digest);
        let Some(cargo) = hand_off::receive(&self.shared.store, code, &request.host, now).await? else {
            return Ok(Received::Nothing);
        };
        if nonce.as_deref() != Some(&cargo.nonce) {
            let event = AuditEvent::new(now, "hand_off.refused", "other_browser").from(request.client);
            self.shared.store.append_audit(event).await?;
            // With a cookie of ours it may be this browser all the same: of several tabs that set out at once,
            // the cookie of one is left.
            return Ok(nonce.map_or(Received::Nothing, |_| Received::Again(cargo.journey)));
        }
        let cookies = self.unload(&cargo, request, parts, now).await?;
        Ok(Received::Here(cargo.journey, cookies))
    }

    /// The same way once more, now with the cookie that is there: nothing was taken from the hand-off.
    async fn set_out_again(
        &self,
        id: &str,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Response<Body> {
        match self.shared.store.journey(id, now).await {
            Ok(Some(journey)) if journey.site == *request.host && !journey.holds_body => {
                let place = self.place(&request.host, &journey.target);
                self.answers.see_other(&place, Vec::new())
            }
            Ok(Some(journey)) if journey.site != *request.host => self
                .answers
                .see_other(&self.answers.portal_url("challenge", "j", id), Vec::new()),
            Ok(_) => from_page(self.answers.pages().bad_request(&reference())),
            Err(error) => self.answers.unavailable(&parts.headers, &error),
        }
    }

    async fn unload(
        &self,
        cargo: &Cargo,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<Vec<HeaderValue>, StoreError> {
        let (site, sessions) = (&*request.host, &self.shared.sessions);
        let old = self.shared.mode.read(&parts.headers).id;
        let portal = *site == *self.policy.settings().server.public_url.host;
        let mut cookies = Vec::new();
        let token = match (&cargo.session, &cargo.guest) {
            (Some(session), _) => sessions.renew(session, old, site, now).await?,
            (None, Some(guest)) if portal => Some(self.receive_guest(guest, request, parts, now).await?),
            (None, _) => None,
        };
        cookies.extend(token.map(|token| self.shared.mode.set(Ours::Id, &token, None)));
        if portal && cargo.claim.is_none() {
            // What is there may be another person's.
            cookies.push(self.shared.mode.clear(Ours::Claim));
        }
        if let Some(claim) = &cargo.claim {
            let claim = Claim {
                site: site.to_owned(),
                subject: claim.subject.clone(),
                session: claim.session.clone(),
                issued_at: claim.issued,
                expires_at: claim.expires,
                binding: Binding(claim.binding),
                proofs: claim.proofs.clone(),
            };
            let token = self
                .shared
                .ring
                .load()
                .sign_claim(&claim)
                .map_err(|_| StoreError::Corrupt("claim"))?;
            cookies.push(self.shared.mode.set(Ours::Claim, &token, None));
        }
        Ok(cookies)
    }

    /// Somebody whom another source knows has come to the portal: a session of ours for it.
    async fn receive_guest(
        &self,
        guest: &Guest,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<String, StoreError> {
        let person = NewPerson {
            agent: client::agent(&parts.headers),
            address: Some(request.client),
            ..guest.person()
        };
        let key = SubjectKey::new(&person.source, &person.subject);
        let event = AuditEvent::new(now, "session.started", "vouched")
            .who(key.as_str())
            .from(request.client);
        self.shared.sessions.start(&person, &request.host, event, now).await
    }

    /// The end of a journey on its own site: the page the person wanted, or "Send it now".
    async fn land(
        &self,
        id: &str,
        mut cookies: Vec<HeaderValue>,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Response<Body> {
        let journey = match self.shared.store.journey(id, now).await {
            Ok(Some(journey)) if journey.site == *request.host => journey,
            Ok(Some(_)) if *request.host == *self.policy.settings().server.public_url.host => {
                let challenge = self.answers.portal_url("challenge", "j", id);
                return self.answers.see_other(&format!("{challenge}&done=vouched"), cookies);
            }
            Ok(_) => return self.answers.see_other("/", cookies),
            Err(error) => return self.answers.unavailable(&parts.headers, &error),
        };
        let place = self.place(&request.host, &journey.target);
        if !journey.holds_body {
            return self.answers.see_other(&place, cookies);
        }
        cookies.push(self.shared.mode.set(Ours::Held, id, Some(SEND_WITHIN)));
        let app = self.policy.route_for(&request.host).map_or("", |route| &route.name);
        let form = SendNow { action: &place, field: (held::FIELD, id), app };
        let mut response = from_page(self.answers.pages().send_now(form));
        for cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

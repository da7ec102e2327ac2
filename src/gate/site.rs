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
use crate::session::{Claim, Ending, NewPerson, Ours};
use crate::store::{AuditEvent, StoreError};
use crate::upstream::{Body, Peer};

/// Seconds for which the click on "Send it now" may wait.
const SEND_WITHIN: i64 = 15 * 60;

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
            ("sign-out", &Method::POST) => self.sign_out_here(request, parts).await,
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
            (None, Some(journey)) => Ok(Some((journey, Vec::new()))),
            (None, None) => Ok(None),
        };
        match arrived {
            Ok(Some((journey, cookies))) => self.land(&journey, cookies, request, parts, now).await,
            Ok(None) => from_page(self.answers.pages().bad_request(&reference())),
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
    ) -> Result<Option<(String, Vec<HeaderValue>)>, StoreError> {
        let nonce = self.shared.mode.read(&parts.headers).browser.map(journeys::nonce_digest);
        let Some(cargo) = hand_off::receive(&self.shared.store, code, &request.host, now).await? else {
            return Ok(None);
        };
        if nonce.as_deref() != Some(&cargo.nonce) {
            let event = AuditEvent::new(now, "hand_off.refused", "other_browser").from(request.client);
            self.shared.store.append_audit(event).await?;
            return Ok(None);
        }
        let cookies = self.unload(&cargo, request, parts, now).await?;
        Ok(Some((cargo.journey, cookies)))
    }

    async fn unload(
        &self,
        cargo: &Cargo,
        request: &CanonicalRequest,
        parts: &Parts,
        now: UnixTime,
    ) -> Result<Vec<HeaderValue>, StoreError> {
        let (site, sessions) = (&*request.host, &self.shared.sessions);
        let portal = *site == *self.policy.settings().server.public_url.host;
        let mut cookies = Vec::new();
        let token = match (&cargo.session, &cargo.guest) {
            (Some(session), _) => sessions.token_for(session, site, now).await?,
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

    /// Sign-out from any site ends the session on all of them.
    async fn sign_out_here(&self, request: &CanonicalRequest, parts: &Parts) -> Response<Body> {
        if client::same_origin(&parts.headers, &self.origin_of(&request.host)) != Some(true) {
            let problem = Problem::new(StatusCode::FORBIDDEN, "cross_site", "Not from this site");
            return self
                .answers
                .either(&parts.headers, problem, |pages, reference| pages.bad_request(reference));
        }
        let now = self.now();
        let cookies = self.shared.mode.read(&parts.headers);
        let mut ending = Vec::new();
        let claim = cookies
            .claim
            .and_then(|token| self.shared.ring.load().verify_claim(token, now).ok());
        let session = match cookies.id {
            Some(token) => self.shared.sessions.resolve(token, &request.host, now).await,
            None => Ok(None),
        };
        match &session {
            Ok(session) => ending.extend(session.iter().map(|session| Ending::One(&session.id))),
            Err(error) => return self.answers.unavailable(&parts.headers, error),
        }
        ending.extend(claim.iter().map(|claim| Ending::Claims(&claim.session)));
        for session in ending {
            let event = AuditEvent::new(now, "session.ended", "signed_out").from(request.client);
            if let Err(error) = self.shared.sessions.end(session, event, now).await {
                return self.answers.unavailable(&parts.headers, &error);
            }
        }
        // No redirect to the portal: `form-action 'self'` would keep the browser from following it.
        let mut response = from_page(self.answers.pages().signed_out());
        for ours in [Ours::Id, Ours::Claim] {
            response.headers_mut().append(header::SET_COOKIE, self.shared.mode.clear(ours));
        }
        response
    }
}

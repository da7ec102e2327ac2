//! Where people were going: kept here under an opaque id while they sign in or prove more.
//!
//! A journey that begins on a site other than the portal is tied to the browser by a nonce in a
//! cookie of that site, so that nobody can be led into somebody else's session (security.md G05).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::answer::{Problem, from_page, reference};
use super::{Gate, held};
use crate::ambient;
use crate::policy::{CanonicalRequest, Identity, Route};
use crate::session::Ours;
use crate::store::NewJourney;
use crate::upstream::Body;

/// Seconds for which it is known where somebody was going (decision 21).
pub const LIFE: i64 = 24 * 3600;

/// What a journey carries beyond its request.
#[derive(Serialize, Deserialize, Default)]
pub struct Context {
    /// Digest of the browser's nonce; absent for journeys on the portal's own origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Binding of whoever was led away: another person at the portal is not who is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<[u8; 32]>,
}

/// How a nonce is kept.
#[must_use]
pub fn nonce_digest(nonce: &str) -> String {
    BASE64.encode(digest(&SHA256, nonce.as_bytes()))
}

impl Gate {
    /// 303 to the portal, the request kept: the person will land exactly here again.
    pub(super) async fn lead_away(
        &self,
        parts: &Parts,
        body: &mut Option<Incoming>,
        request: &CanonicalRequest,
        route: &Route,
        identity: Option<Arc<Identity>>,
    ) -> Response<Body> {
        let page = if identity.is_some() {
            "challenge"
        } else {
            "sign-in"
        };
        if identity.is_none() && !self.has_sign_in(route.identity) {
            let mut response = from_page(self.answers.pages().sign_in_elsewhere(&route.name, &reference()));
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stepgate\""));
            return response;
        }
        self.lead_to(page, parts, body, request, identity).await
    }

    /// 303 to a page of the portal, the request kept.
    pub(super) async fn lead_to(
        &self,
        page: &str,
        parts: &Parts,
        body: &mut Option<Incoming>,
        request: &CanonicalRequest,
        identity: Option<Arc<Identity>>,
    ) -> Response<Body> {
        if !self.policy.is_site(&request.host) {
            // A stranger could have written it, and would be sent somebody's session there.
            let host = &*request.host;
            tracing::warn!(host, "only `*` covers this host: nobody can be led away from it and back");
            let problem = Problem::new(
                http::StatusCode::FORBIDDEN,
                "site_not_named",
                "No route names this site, so nobody can sign in to it",
            );
            return self
                .answers
                .either(&parts.headers, problem, |pages, reference| pages.not_allowed(None, reference));
        }
        if let Err(wait) = self.shared.journeys.admit(request.client) {
            return self.answers.too_many(&parts.headers, wait.retry_after, self.now());
        }
        let cookies = self.shared.mode.read(&parts.headers);
        let nonce = cookies.browser.map_or_else(ambient::random_token, str::to_owned);
        let on_portal = *request.host == *self.policy.settings().server.public_url.host;
        let set_nonce = cookies
            .browser
            .is_none()
            .then(|| self.shared.mode.set(Ours::Browser, &nonce, Some(LIFE)));
        let owner = held::Owner::new(identity.as_deref(), &nonce);
        let kept = held::read(self, parts, body, request).await;
        let context = Context {
            nonce: (!on_portal).then(|| nonce_digest(&nonce)),
            person: identity.as_ref().filter(|_| !on_portal).map(|identity| identity.binding.0),
        };
        let id = ambient::random_token();
        let now = self.now();
        let journey = NewJourney {
            id: id.clone(),
            site: request.host.to_string(),
            method: request.method.to_string(),
            target: request.target.to_string(),
            subject: (kept.is_some() || identity.is_some()).then(|| owner.subject.clone()),
            context: serde_json::to_string(&context).unwrap_or_default(),
            held: kept.map(|body| (body, owner.binding)),
            created: now,
            expires: now.plus(LIFE),
        };
        if let Err(error) = self.shared.store.add_journey(journey).await {
            return self.answers.unavailable(&parts.headers, &error);
        }
        self.answers
            .see_other(&self.answers.portal_url(page, "j", &id), set_nonce.into_iter().collect())
    }
}

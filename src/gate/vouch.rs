//! A site vouches for a person whom only it knows: the app's own session, a certificate, a header.
//!
//! The portal cannot see what the site sees. So it asks, through the person's own browser: its nonce
//! goes along, the site's sources say who is there, and a one-time hand-off takes that back to the
//! portal, where it counts in the browser with that nonce alone (decision 2, security.md G05). Nobody
//! can be led into somebody else's session by it, because it is this browser's own credentials at the
//! site that speak.

use http::Response;
use http::request::Parts;

use super::answer::{from_page, reference};
use super::hand_off::{self, Cargo, CargoClaim, Guest};
use super::judge::Asker;
use super::{Gate, journeys};
use crate::identity::IdentityError;
use crate::policy::CanonicalRequest;
use crate::upstream::{Body, Peer};

/// Length of a SHA-256 in base64url.
const DIGEST: usize = 43;

impl Gate {
    /// Says to the portal who is here, or sends the person back to where they were.
    pub(super) async fn vouch(
        &self,
        request: &CanonicalRequest,
        parts: &Parts,
        peer: Peer,
    ) -> Response<Body> {
        let query = request.query().unwrap_or_default();
        let parameter = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (Some(id), Some(nonce)) = (parameter("j"), parameter("b").filter(|b| b.len() == DIGEST)) else {
            return from_page(self.answers.pages().bad_request(&reference()));
        };
        // Each guest is a row: who asks too often waits.
        if let Err(wait) = self.shared.journeys.admit(request.client) {
            return self.answers.too_many(&parts.headers, wait.retry_after, self.now());
        }
        let now = self.now();
        let journey = match self.shared.store.journey(&id, now).await {
            Ok(journey) => journey.filter(|journey| journey.site == *request.host),
            Err(error) => return self.answers.unavailable(&parts.headers, &error),
        };
        let (Some(journey), Some(route)) = (journey, self.policy.route_for(&request.host)) else {
            return from_page(self.answers.pages().bad_request(&reference()));
        };
        let place = self.place(&request.host, &journey.target);
        let context: journeys::Context = serde_json::from_str(&journey.context).unwrap_or_default();
        let browser = self.shared.mode.read(&parts.headers).browser.map(journeys::nonce_digest);
        if context.nonce.is_none() || context.nonce != browser {
            return self.answers.see_other(&place, Vec::new());
        }
        if self.shared.revocations.is_stale(now) {
            return self.answers.unavailable(&parts.headers, &"the revocation feed is stale");
        }
        let asker = match self.who(route, request, parts, peer, now).await {
            Ok(Some(asker)) => asker,
            // Signed out in the meantime: the gate says at that place what to do.
            Ok(None) => return self.answers.see_other(&place, Vec::new()),
            Err(IdentityError::Refused(_)) => {
                return from_page(self.answers.pages().bad_request(&reference()));
            }
            Err(error) => return self.answers.unavailable(&parts.headers, &error),
        };
        let portal = &self.policy.settings().server.public_url.host;
        let cargo = cargo(&asker, id, nonce);
        match hand_off::send(&self.shared.store, portal, &cargo, now).await {
            Ok(code) => {
                let arrive = self.answers.portal_url("callback", "code", &code);
                self.answers.see_other(&arrive, Vec::new())
            }
            Err(error) => self.answers.unavailable(&parts.headers, &error),
        }
    }
}

fn cargo(asker: &Asker, journey: String, nonce: String) -> Cargo {
    let established = &asker.established;
    let session = established.session.as_ref().map(ToString::to_string);
    Cargo {
        guest: session
            .is_none()
            .then(|| Guest::new(&established.identity, established.expires)),
        session,
        claim: asker.claim.as_ref().map(|remembered| CargoClaim::of(&remembered.claim)),
        journey,
        nonce,
    }
}

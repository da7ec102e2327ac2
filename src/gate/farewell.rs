//! Signing out on a site, and what goes on elsewhere after it.
//!
//! Ours ends at once and everywhere. A sign-in that an app or a proxy keeps is not ours to end: people are told
//! that it goes on, and where they can end it. Never says "signed out" of something that is not.

use http::request::Parts;
use http::{Response, StatusCode, header};

use super::answer::{Problem, from_page};
use super::{Gate, client};
use crate::config::settings::SourceSet;
use crate::policy::CanonicalRequest;
use crate::session::{Ending, Ours};
use crate::store::AuditEvent;
use crate::upstream::{Body, Peer};

/// A sign-in that goes on when our session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where it can be ended; `None`: nobody has said.
    pub url: Option<String>,
}

impl Gate {
    /// What stays of a sign-in of this source.
    pub(super) fn elsewhere(&self, source: &str) -> Option<Elsewhere> {
        let source = self.accepted(SourceSet::ALL).find(|one| one.name == source)?;
        let url = source.kind.sign_out_url().map(str::to_owned);
        (!source.kind.signs_in() || url.is_some()).then_some(Elsewhere { url })
    }

    /// Sign-out from any site ends the session on all of them.
    pub(super) async fn sign_out_here(
        &self,
        request: &CanonicalRequest,
        parts: &Parts,
        peer: Peer,
    ) -> Response<Body> {
        if client::same_origin(&parts.headers, &self.origin_of(&request.host)) != Some(true) {
            let problem = Problem::new(StatusCode::FORBIDDEN, "cross_site", "Not from this site");
            return self
                .answers
                .either(&parts.headers, problem, |pages, reference| pages.bad_request(reference));
        }
        let now = self.now();
        let cookies = self.shared.mode.read(&parts.headers);
        let claim = cookies
            .claim
            .and_then(|token| self.shared.ring.load().verify_claim(token, now).ok());
        let session = match cookies.id {
            Some(token) => self.shared.sessions.resolve(token, &request.host, now).await,
            None => Ok(None),
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => return self.answers.unavailable(&parts.headers, &error),
        };
        // A source that cannot be asked now keeps nobody from signing out of what is ours.
        let there = match self.policy.route_for(&request.host) {
            Some(route) => self.who(route, request, parts, peer, now).await.ok().flatten(),
            None => None,
        };
        let known = there.as_ref().and_then(|there| there.established.session.clone());
        let source = there
            .map(|there| there.established.identity.source.clone())
            .or_else(|| session.as_ref().map(|session| session.identity.source.clone()));
        let session = session.map(|session| session.id.clone());
        let mut ending: Vec<Ending<'_>> = Vec::new();
        ending.extend(session.iter().chain(&known).map(|session| Ending::One(session)));
        ending.extend(claim.iter().map(|claim| Ending::Claims(&claim.session)));
        for session in ending {
            let event = AuditEvent::new(now, "session.ended", "signed_out").from(request.client);
            if let Err(error) = self.shared.sessions.end(session, event, now).await {
                return self.answers.unavailable(&parts.headers, &error);
            }
        }
        let elsewhere = source.and_then(|source| self.elsewhere(&source));
        // No redirect to the portal: `form-action 'self'` would keep the browser from following it.
        let mut response = from_page(self.answers.pages().signed_out(elsewhere.as_ref()));
        for ours in [Ours::Id, Ours::Claim] {
            response.headers_mut().append(header::SET_COOKIE, self.shared.mode.clear(ours));
        }
        response
    }
}

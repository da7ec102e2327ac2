//! Proofs for one request alone: a consumed grant, or a code that came with the request.
//!
//! Neither ever makes a claim (decisions 8 and 17).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::answer::{Problem, reference};
use super::judge::Asker;
use super::{Gate, client};
use crate::ambient::UnixTime;
use crate::challenge::ChallengeError;
use crate::challenge::view::{Caller, Locked, Outcome};
use crate::config::FactorKind;
use crate::identity::Established;
use crate::policy::{CanonicalRequest, LevelSet};
use crate::session::Remembered;
use crate::store::StoreError;
use crate::upstream::Body;

const CODE: HeaderName = HeaderName::from_static("stepgate-code");

/// What a grant is for, as the store keeps it.
#[must_use]
pub fn request_digest(target: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, target.as_bytes()).as_ref());
    bytes
}

impl Gate {
    /// Consumes what was granted for exactly this request in this session, to whoever carries the proof
    /// that earned it.
    pub(super) async fn take_grant(
        &self,
        request: &CanonicalRequest,
        asker: &Asker,
        now: UnixTime,
    ) -> Result<LevelSet, StoreError> {
        let Some(claim) = &asker.claim else {
            return Ok(LevelSet::EMPTY);
        };
        let binding = &asker.established.identity.binding;
        let held = claim.claim.proofs.clone();
        let digest = request_digest(request.target.as_str());
        let named = (request.method.as_str(), &*request.host);
        let names = self.shared.store.take_grants(binding, held, named, &digest, now).await?;
        Ok(names.iter().filter_map(|name| self.policy.level_named(name)).collect())
    }

    /// The levels that a code in the request itself proves, for this request alone.
    pub(super) async fn inline_code(
        &self,
        request: &CanonicalRequest,
        established: Established,
        claim: Option<&Arc<Remembered>>,
        parts: &Parts,
    ) -> Result<LevelSet, Response<Body>> {
        let mut codes = parts.headers.get_all(CODE).iter();
        let Some(code) = codes.next() else {
            return Ok(LevelSet::EMPTY);
        };
        let refused = |code, title| Problem::new(StatusCode::BAD_REQUEST, code, title).response(&reference());
        if client::shows_a_browser(&parts.headers) {
            return Err(refused("code_from_browser", "Stepgate-Code is for programs, not for pages"));
        }
        let parsed = code.to_str().ok().and_then(|text| text.split_once(':'));
        let (Some((factor, code)), None) =
            (parsed.and_then(|(f, c)| Some((FactorKind::from_name(f)?, c))), codes.next())
        else {
            return Err(refused(
                "code_malformed",
                "Stepgate-Code is written factor:code, once, as in totp:123456",
            ));
        };
        let proofs = claim.map(|claim| claim.claim.proofs.clone()).unwrap_or_default();
        let caller = Caller {
            identity: established.identity,
            proofs,
            browser: None,
            address: request.client,
            trusted_place: false,
            agent: client::agent(&parts.headers),
            language: client::language(&parts.headers),
        };
        match self.challenges.verify_inline(&caller, factor, code).await {
            Ok(Some(Outcome::Passed { proof, .. })) => {
                let mut proofs = caller.proofs;
                proofs.push(proof);
                let now = self.now();
                let fresh = self.policy.met_at_once(&proofs, now);
                Ok(fresh.union(self.policy.deadlines(&proofs, now).met(fresh, now)))
            }
            Ok(Some(outcome)) => Err(not_passed(&outcome, self.now())),
            // A factor the person does not have proves nothing; the ordinary 401 says what would.
            Ok(None) => Ok(LevelSet::EMPTY),
            Err(ChallengeError::Locked(locked)) => Err(not_passed(&Outcome::Locked(locked), self.now())),
            Err(error) => Err(self.answers.unavailable(&parts.headers, &error)),
        }
    }
}

fn not_passed(outcome: &Outcome, now: UnixTime) -> Response<Body> {
    let (status, code, title, wait) = match outcome {
        Outcome::Locked(Locked::Until(until)) => (
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tries",
            "Too many wrong answers",
            Some(until.since(now).max(1)),
        ),
        Outcome::Locked(Locked::Hard | Locked::Stopped) => {
            (StatusCode::TOO_MANY_REQUESTS, "locked", "Locked: an administrator can help", Some(3600))
        }
        Outcome::Malformed(_) => {
            (StatusCode::BAD_REQUEST, "code_malformed", "The code does not have the right shape", None)
        }
        _ => (StatusCode::UNAUTHORIZED, "code_wrong", "The code was wrong or has been used", None),
    };
    let mut response = Problem::new(status, code, title).response(&reference());
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"insufficient_user_authentication\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

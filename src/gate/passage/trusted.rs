//! Trusted browsers at the portal's door: their cookie, and the way on without being asked.
//!
//! Whether what a browser brings back is enough is the policy's judgement on the journey's own
//! request, like every other.

use http::HeaderValue;

use super::journey::Judged;
use super::{Arrival, Journey, Passage, PassageError, Visitor};
use crate::challenge::ChallengeError;
use crate::challenge::trusted::TrustToken;
use crate::policy::{Decision, Proof};
use crate::session::Ours;

impl Passage {
    /// Goes on with the journey by what this browser is trusted with, if that meets everything that
    /// is missing there. `None`: the person has to be asked.
    ///
    /// # Errors
    /// When a fact cannot be looked up.
    pub async fn bring_back(
        &self,
        visitor: &Visitor,
        journey: &Journey,
    ) -> Result<Option<Arrival>, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let (Some(caller), Some(established), Some(token)) =
            (&visitor.caller, &visitor.established, &visitor.trusted_cookie)
        else {
            return Ok(None);
        };
        let mut claim = self.claim(visitor, established, now);
        let remembered = gate.challenges.remembered(caller, token).await.map_err(unavailable)?;
        if remembered.is_empty() {
            return Ok(None);
        }
        for proof in remembered {
            claim.add(proof);
        }
        let deadlines = gate.policy.deadlines(&claim.proofs, now);
        let granted = self.granted(caller, &claim.proofs, journey, now).await?;
        let judged = self.judge(caller, journey, &deadlines, granted).await;
        if !matches!(judged, Some(Judged { decision: Decision::Allow(_), .. })) {
            return Ok(None);
        }
        let Some(back) = gate.challenges.bring_back(caller, token).await.map_err(unavailable)? else {
            return Ok(None);
        };
        let signed = gate.shared.ring.load().sign_claim(&claim);
        let signed = signed.map_err(|error| PassageError::Unavailable(error.to_string()))?;
        let mut cookies = vec![
            gate.shared.mode.set(Ours::Claim, &signed, None),
            self.keep(&back.next),
        ];
        cookies.extend(self.renew(visitor).await?);
        let next = self.next(caller, established, &claim, None, journey).await?;
        Ok(Some(Arrival { cookies, next, app: journey.app.clone() }))
    }

    /// Trusts this browser with a proof that was just made for a challenge, where that allows it.
    /// `fresh` is the known-browser token that the proof gave it, if it gave one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn trust(
        &self,
        visitor: &Visitor,
        challenge: &str,
        proof: &Proof,
        fresh: Option<&str>,
    ) -> Result<Option<HeaderValue>, PassageError> {
        let browser = fresh.or(visitor.browser_cookie.as_deref());
        let (Some(caller), Some(browser)) = (&visitor.caller, browser) else {
            return Ok(None);
        };
        let made = self.gate.challenges.trust(caller, challenge, proof, browser).await;
        Ok(made.map_err(unavailable)?.map(|token| self.keep(&token)))
    }

    fn keep(&self, token: &TrustToken) -> HeaderValue {
        self.gate.shared.mode.set(Ours::Trusted, &token.token, Some(token.lives))
    }
}

fn unavailable(error: ChallengeError) -> PassageError {
    PassageError::Unavailable(error.to_string())
}

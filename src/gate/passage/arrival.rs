//! How people go on once they have proved something: the claim, the grant, and the way back.

use super::journey::Judged;
use super::{Arrival, Journey, Passage, PassageError, Visitor};
use crate::ambient::{self, UnixTime};
use crate::challenge::view::Caller;
use crate::config::settings::LevelId;
use crate::gate::hand_off::{self, Cargo, CargoClaim};
use crate::gate::held::Owner;
use crate::gate::inline;
use crate::identity::Established;
use crate::policy::{Decision, Facts, LevelSet, Proof};
use crate::session::claim::subject_name;
use crate::session::{Claim, Ours};
use crate::store::{Grant, StoreError};

/// Seconds for which a grant may wait for its request (decision 8).
const GRANT_LIFE: i64 = 120;
/// Seconds for which a browser stays known.
const BROWSER_LIFE: i64 = 365 * 24 * 3600;

impl Passage {
    /// Signs a new proof (if any) into the session's claim and says how to go on: to the journey's
    /// site if nothing is missing there, else back to the challenge.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn arrive(
        &self,
        visitor: &Visitor,
        proof: Option<Proof>,
        browser: Option<String>,
        journey: Option<&Journey>,
    ) -> Result<Arrival, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let (Some(caller), Some(established)) = (&visitor.caller, &visitor.established) else {
            return Err(PassageError::Refused("nobody is signed in"));
        };
        let mut claim = self.claim(visitor, established, now);
        let mut cookies = Vec::new();
        if let Some(proof) = &proof {
            claim.add(proof.clone());
            let token = gate
                .shared
                .ring
                .load()
                .sign_claim(&claim)
                .map_err(|e| PassageError::Unavailable(e.to_string()))?;
            cookies.push(gate.shared.mode.set(Ours::Claim, &token, None));
            cookies.extend(self.renew(visitor).await?);
        }
        if let Some(browser) = browser {
            self.adopt_held(visitor, established).await?;
            cookies.push(gate.shared.mode.set(Ours::Browser, &browser, Some(BROWSER_LIFE)));
        }
        let Some(journey) = journey else {
            let app = gate.policy.settings().branding.name.clone();
            return Ok(Arrival { cookies, next: self.portal_path("my-mfa"), app });
        };
        let next = self.next(caller, established, &claim, proof.as_ref(), journey).await?;
        Ok(Arrival { cookies, next, app: journey.app.clone() })
    }

    /// A form kept before the sign-in belongs to the browser's cookie, which is about to change: from
    /// here on it belongs to the person.
    pub(super) async fn adopt_held(
        &self,
        visitor: &Visitor,
        established: &Established,
    ) -> Result<(), StoreError> {
        let Some(nonce) = &visitor.browser_cookie else {
            return Ok(());
        };
        let before = Owner::new(None, nonce);
        let after = Owner::new(Some(&established.identity), nonce);
        let store = &self.gate.shared.store;
        store
            .adopt_held((&before.subject, &before.binding), (&after.subject, &after.binding))
            .await
    }

    /// The claim as it stands, or an empty one for this session.
    pub(super) fn claim(&self, visitor: &Visitor, established: &Established, now: UnixTime) -> Claim {
        let lifetime = self.gate.policy.settings().sessions.absolute_timeout.as_secs();
        let limit = now.plus(i64::try_from(lifetime).unwrap_or(i64::MAX)).min(established.expires);
        let old = visitor.claim.as_ref().map(|remembered| &remembered.claim);
        Claim {
            site: self.portal_host().to_owned(),
            subject: subject_name(&established.identity.key),
            session: match (&established.session, old) {
                (Some(session), _) => session.to_string(),
                (None, Some(old)) => old.session.clone(),
                (None, None) => ambient::random_token(),
            },
            issued_at: now,
            // The absolute limit runs from the first proof and is never moved.
            expires_at: old.map_or(limit, |old| old.expires_at.min(limit)),
            binding: established.identity.binding,
            proofs: old.map(|old| old.proofs.clone()).unwrap_or_default(),
        }
    }

    pub(super) async fn next(
        &self,
        caller: &Caller,
        established: &Established,
        claim: &Claim,
        proof: Option<&Proof>,
        journey: &Journey,
    ) -> Result<String, PassageError> {
        let gate = &*self.gate;
        let now = gate.now();
        let deadlines = gate.policy.deadlines(&claim.proofs, now);
        if let Some(proof) = proof {
            let fresh = gate.policy.met_at_once(&claim.proofs, now).intersection(gate.policy.once());
            self.grant(caller, journey, fresh, proof, now).await?;
        }
        let granted = self.granted(caller, &claim.proofs, journey, now).await?;
        if let Some(Judged { decision: Decision::Challenge(..), .. }) =
            self.judge(caller, journey, &deadlines, granted).await
        {
            return Ok(format!("{}?j={}", self.portal_path("challenge"), journey.id));
        }
        if *journey.site == *self.portal_host() {
            let kept = format!("{}?j={}", self.portal_path("callback"), journey.id);
            return Ok(if journey.held {
                kept
            } else {
                gate.place(&journey.site, &journey.target)
            });
        }
        if !gate.policy.is_site(&journey.site) {
            return Err(PassageError::Refused("no route names that site"));
        }
        let site = gate.origin_of(&journey.site);
        let Some(nonce) = &journey.nonce else {
            // Begun without that site's browser cookie: its own gate begins a journey that has one.
            return Ok(format!("{site}{}", journey.target));
        };
        let cargo = Cargo {
            session: established.session.as_ref().map(ToString::to_string),
            guest: None,
            claim: (!claim.proofs.is_empty()).then(|| CargoClaim::of(claim)),
            journey: journey.id.clone(),
            nonce: nonce.clone(),
        };
        let code = hand_off::send(&gate.shared.store, &journey.site, &cargo, now).await?;
        Ok(format!("{site}{}?code={code}", self.portal_path("callback")))
    }

    /// Writes what the gate will consume for exactly this request (decision 8): the levels that are
    /// asked every time, that the request demands, and that this proof has just completed.
    pub(super) async fn grant(
        &self,
        caller: &Caller,
        journey: &Journey,
        fresh: LevelSet,
        proof: &Proof,
        now: UnixTime,
    ) -> Result<(), PassageError> {
        let policy = &self.gate.policy;
        let Some(request) = self.request(caller, journey) else {
            return Ok(());
        };
        let Some(route) = policy.route_for(&request.host) else {
            return Ok(());
        };
        let demand = policy.demand(route, &request, &Facts { identity: Some(&caller.identity), now });
        let completed = |level: &LevelId| {
            let alone = LevelSet::EMPTY.with(*level);
            policy.accepted_for(alone).contains(proof.factor, proof.properties)
        };
        let earned: LevelSet = fresh.intersection(demand.levels()).iter().filter(completed).collect();
        for level in policy.level_names(earned) {
            let grant = Grant {
                binding: caller.identity.binding,
                method: journey.method.clone(),
                host: journey.site.to_string(),
                digest: inline::request_digest(&journey.target),
                level: level.to_owned(),
                proof: proof.clone(),
            };
            self.gate.shared.store.add_grant(grant, now.plus(GRANT_LIFE)).await?;
        }
        Ok(())
    }
}

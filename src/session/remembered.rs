//! Claims verified once, then remembered: a signature check costs fifty times a look-up.
//!
//! What can change between two requests is rechecked on every hit: expiry, site, binding and
//! revocation (decision 15). The cache is bounded and only ever an optimisation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;

use super::claim::{Claim, subject_name};
use super::keys::KeyRing;
use super::revocations::Revocations;
use crate::ambient::UnixTime;
use crate::policy::{Deadlines, Identity, Policy};

/// Claims remembered at most.
const REMEMBERED: usize = 50_000;

/// A verified claim and what the policy makes of its proofs.
pub struct Remembered {
    pub claim: Claim,
    /// Per level, until when these proofs meet it.
    pub deadlines: Deadlines,
    /// Revocations generation at which it was last found good.
    generation: AtomicU64,
}

/// The claims of one policy generation.
pub struct Claims {
    ring: Arc<ArcSwap<KeyRing>>,
    revocations: Arc<Revocations>,
    policy: Arc<Policy>,
    cache: Cache<Box<str>, Arc<Remembered>>,
}

impl Claims {
    /// Claims judged by `policy`.
    #[must_use]
    pub fn new(ring: Arc<ArcSwap<KeyRing>>, revocations: Arc<Revocations>, policy: Arc<Policy>) -> Self {
        Self { ring, revocations, policy, cache: Cache::new(REMEMBERED) }
    }

    /// The claim in `token`, if it holds now, at `site`, for this person in this first-factor session.
    #[must_use]
    pub fn verified(
        &self,
        token: &str,
        site: &str,
        identity: &Identity,
        now: UnixTime,
    ) -> Option<Arc<Remembered>> {
        let remembered = match self.cache.get(token) {
            Some(hit) => hit,
            None => self.verify(token, now)?,
        };
        let claim = &remembered.claim;
        let holds = claim.expires_at > now && claim.site == site && claim.binding == identity.binding;
        if !holds {
            return None;
        }
        if remembered.generation.load(Ordering::Acquire) == self.revocations.generation() {
            return Some(remembered);
        }
        self.recheck(token, remembered, identity, now)
    }

    /// Whether a claim that held still does, and nothing has been revoked since; to be
    /// [`verified`](Self::verified) again otherwise.
    #[must_use]
    pub fn still_holds(&self, remembered: &Remembered, now: UnixTime) -> bool {
        remembered.claim.expires_at > now
            && remembered.generation.load(Ordering::Acquire) == self.revocations.generation()
    }

    fn verify(&self, token: &str, now: UnixTime) -> Option<Arc<Remembered>> {
        let claim = self.ring.load().verify_claim(token, now).ok()?;
        // No generation is this large: the first use checks the revocations.
        let remembered = Arc::new(Remembered {
            deadlines: self.policy.deadlines(&claim.proofs, now),
            claim,
            generation: AtomicU64::new(u64::MAX),
        });
        self.cache.insert(token.into(), Arc::clone(&remembered));
        Some(remembered)
    }

    /// Something has been revoked since this claim was last used: was it this?
    fn recheck(
        &self,
        token: &str,
        old: Arc<Remembered>,
        identity: &Identity,
        now: UnixTime,
    ) -> Option<Arc<Remembered>> {
        let generation = self.revocations.generation();
        let claim = &old.claim;
        if claim.subject != subject_name(&identity.key)
            || self.revocations.is_void(&claim.session, &identity.key, claim.issued_at)
        {
            return None;
        }
        let removed = |p: &crate::policy::Proof| self.revocations.is_void_proof(p);
        if !claim.proofs.iter().any(removed) {
            old.generation.store(generation, Ordering::Release);
            return Some(old);
        }
        let mut claim = claim.clone();
        claim.proofs.retain(|p| !removed(p));
        let lesser = Arc::new(Remembered {
            deadlines: self.policy.deadlines(&claim.proofs, now),
            claim,
            generation: AtomicU64::new(generation),
        });
        self.cache.insert(token.into(), Arc::clone(&lesser));
        Some(lesser)
    }
}

//! Trusted browsers: "Don't ask again on this browser for 30 days" (security.md E25).
//!
//! A trusted browser proves nothing. It brings back proofs that were made in it, with their original
//! times, and only levels with `remember_device` look at those. Its token is new after every use; one
//! that is presented again later has been copied, and then the browser is trusted no more, in no
//! session. Never made by a code that is there for the worst day, nor by a service's absence.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use super::notice::Act;
use super::view::Caller;
use super::{ChallengeError, Challenges};
use crate::ambient::{UnixTime, random_bytes};
use crate::delivery::Event;
use crate::policy::{EnrolmentId, Proof, TrustId};
use crate::store::seal::KeyRing;
use crate::store::{TokenHash, TrustedBrowser, Tx};

/// Seconds for which the token before the newest is still taken: for two tabs, and for an answer
/// that got lost on its way.
const OVERLAP: i64 = 60;
/// No browser is trusted for longer after a proof. Seconds.
const LONGEST: i64 = 30 * 86_400;
/// Proofs that one browser brings back, as many as a claim holds.
const MOST_PROOFS: usize = 8;
/// Where several proofs are asked for in a row, one tick is for all of them: for those that are no older than
/// this. Seconds.
const ROW: i64 = 600;

/// A token for a trusted browser to keep.
pub struct TrustToken {
    pub token: String,
    /// For how many seconds.
    pub lives: i64,
}

/// What a trusted browser brought back, and its next token.
pub struct BroughtBack {
    pub proofs: Vec<Proof>,
    pub next: TrustToken,
}

/// One trusted browser, for its person to see.
#[derive(Clone, Debug, Serialize)]
pub struct TrustedView {
    pub id: TrustId,
    /// "Firefox on Linux".
    pub agent: String,
    pub since: UnixTime,
    pub last_used: UnixTime,
    pub until: UnixTime,
}

/// What a presented token is.
#[derive(Debug, PartialEq, Eq)]
enum Presented {
    Newest,
    /// The one before, soon enough.
    JustReplaced,
    /// Replaced long ago, or never given out: somebody else has used it.
    Copied,
}

fn presented(trusted: &TrustedBrowser, token: &str, now: UnixTime) -> Presented {
    let hash = TokenHash::of(token);
    let is = |other: &TokenHash| bool::from(hash.0.ct_eq(&other.0));
    let soon = (0..=OVERLAP).contains(&now.since(trusted.rotated));
    if is(&trusted.token) {
        Presented::Newest
    } else if soon && trusted.previous.as_ref().is_some_and(is) {
        Presented::JustReplaced
    } else {
        Presented::Copied
    }
}

/// The id in front of a token's secret.
fn id_of(token: &str) -> Option<TrustId> {
    let (id, _) = token.split_once('.')?;
    Some(TrustId(id.into()))
}

/// A token that follows from what made it, so that whoever asks twice gets the same one and the
/// store need not keep it in clear.
fn derived(ring: &KeyRing, id: &TrustId, parts: &[&[u8]]) -> String {
    let mut all = vec![id.0.as_bytes()];
    all.extend_from_slice(parts);
    format!("{}.{}", id.0, URL_SAFE_NO_PAD.encode(ring.mac("trusted", &all)))
}

impl Challenges {
    /// The proofs that this token would bring back now. Changes nothing, unless the token was copied.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn remembered(&self, caller: &Caller, token: &str) -> Result<Vec<Proof>, ChallengeError> {
        let Some(id) = id_of(token) else {
            return Ok(Vec::new());
        };
        let now = self.clock.now();
        let all = self.store.trusted_browsers(&caller.identity.key, now).await?;
        let Some(trusted) = all.into_iter().find(|one| one.id == id) else {
            return Ok(Vec::new());
        };
        if presented(&trusted, token, now) == Presented::Copied {
            return Ok(self.bring_back(caller, token).await?.map_or_else(Vec::new, |back| back.proofs));
        }
        Ok(proofs_of(&trusted))
    }

    /// Uses the token: what it brings back, and the one that comes after it. `None`: it is not this
    /// person's, has run out, or was copied, which ends it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn bring_back(
        &self,
        caller: &Caller,
        token: &str,
    ) -> Result<Option<BroughtBack>, ChallengeError> {
        let Some(id) = id_of(token) else {
            return Ok(None);
        };
        let (subject, token, now) = (caller.identity.key.clone(), token.to_owned(), self.clock.now());
        let (teller, identity) = (self.teller(), std::sync::Arc::clone(&caller.identity));
        let origin = caller.origin();
        let used = self.event(caller, "browser.remembered");
        let copied = self.event(caller, "browser.token_copied");
        let back = self.store.write(move |mut tx| async move {
            let Some(trusted) = tx.trusted_browser(&subject, &id).await?.filter(|one| one.expires > now)
            else {
                return Ok(None);
            };
            let next = derived(&tx.ring(), &id, &[token.as_bytes()]);
            match presented(&trusted, &token, now) {
                Presented::Newest => {
                    let (from, to) = (TokenHash::of(&token), TokenHash::of(&next));
                    if !tx.rotate_trusted_browser(&subject, &id, from, to, now).await? {
                        return Ok(None);
                    }
                    tx.audit(used.with("browser", &*id.0)).await?;
                }
                Presented::JustReplaced => {}
                Presented::Copied => {
                    let event = Event::BrowserTokenCopied { name: trusted.agent.clone() };
                    let told = teller.prepare(&mut tx, &identity, Act::new(event, origin), now).await?;
                    tx.forget_trusted_browser(&subject, &id, now).await?;
                    tx.audit(copied.with("browser", &*id.0)).await?;
                    tx.commit(()).await?;
                    told.tell();
                    return Ok(None);
                }
            }
            let lives = trusted.expires.since(now);
            let back = BroughtBack { proofs: proofs_of(&trusted), next: TrustToken { token: next, lives } };
            tx.commit(Some(back)).await
        });
        Ok(back.await?)
    }

    /// Trusts the browser in which this proof of the caller was just made, if the challenge it was
    /// for allows that; with it go those that were made just before in the same session. `browser` is its
    /// known-browser token.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn trust(
        &self,
        caller: &Caller,
        challenge: &str,
        proof: &Proof,
        browser: &str,
    ) -> Result<Option<TrustToken>, ChallengeError> {
        let purpose = self.origin(caller, challenge).await?.map(|(_, purpose)| purpose);
        let seconds = purpose.and_then(|purpose| purpose.remember).map(|seconds| seconds.min(LONGEST));
        let Some(seconds) =
            seconds.filter(|_| !proof.factor.is_spare() && proof.remembered.is_none() && !proof.waived)
        else {
            return Ok(None);
        };
        let wish = Wish {
            proof: proof.clone(),
            before: made_before(caller, proof),
            browser: browser.to_owned(),
            agent: caller.agent.clone(),
            until: proof.at.plus(seconds),
            now: self.clock.now(),
        };
        let subject = caller.identity.key.clone();
        let audit = self.event(caller, "browser.trusted");
        let (teller, identity) = (self.teller(), std::sync::Arc::clone(&caller.identity));
        let origin = caller.origin();
        let made = self.store.write(move |mut tx| async move {
            let enrolled = tx.enrolments(&subject).await?;
            let still = |proof: &Proof| enrolled.iter().any(|one| one.id == proof.enrolment);
            if !still(&wish.proof) {
                return Ok(None);
            }
            let mut wish = wish;
            wish.before.retain(still);
            let old = tx.trusted_browser_in(&subject, &wish.browser).await?;
            let is_new = old.is_none();
            let (trusted, token) = wish.granted(&tx, old);
            tx.put_trusted_browser(&subject, &wish.browser, &trusted).await?;
            let event = Event::BrowserTrusted { name: trusted.agent.clone() };
            let told = if is_new {
                Some(teller.prepare(&mut tx, &identity, Act::new(event, origin), wish.now).await?)
            } else {
                None
            };
            tx.audit(audit.with("browser", &*trusted.id.0)).await?;
            let made = TrustToken { token, lives: trusted.expires.since(wish.now) };
            let made = tx.commit(Some(made)).await?;
            if let Some(told) = told {
                told.tell();
            }
            Ok(made)
        });
        Ok(made.await?)
    }

    /// The caller's trusted browsers, the last used first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn trusted_browsers(&self, caller: &Caller) -> Result<Vec<TrustedView>, ChallengeError> {
        let all = self.store.trusted_browsers(&caller.identity.key, self.clock.now()).await?;
        let view = |one: TrustedBrowser| TrustedView {
            id: one.id,
            agent: one.agent,
            since: one.created,
            last_used: one.last_used,
            until: one.expires,
        };
        Ok(all.into_iter().map(view).collect())
    }

    /// Trusts one of the caller's browsers no more. It only asks more of them, so that it needs no
    /// proof. `false` when there is none with this id.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn distrust(&self, caller: &Caller, id: &TrustId) -> Result<bool, ChallengeError> {
        let (subject, id, now) = (caller.identity.key.clone(), id.clone(), self.clock.now());
        let audit = self.event(caller, "browser.forgotten").with("browser", &*id.0);
        let done = self.store.write(move |mut tx| async move {
            let done = tx.forget_trusted_browser(&subject, &id, now).await?;
            if done {
                tx.audit(audit).await?;
            }
            tx.commit(done).await
        });
        Ok(done.await?)
    }
}

/// The proofs as they come back: marked, so that no level takes them for made here and now.
fn proofs_of(trusted: &TrustedBrowser) -> Vec<Proof> {
    let marked = |proof: &Proof| Proof { remembered: Some(trusted.id.clone()), ..proof.clone() };
    trusted.proofs.iter().map(marked).collect()
}

/// The caller's proofs of the same row: made here, by themselves, just before this one.
fn made_before(caller: &Caller, last: &Proof) -> Vec<Proof> {
    let counts = |proof: &&Proof| {
        proof.enrolment != last.enrolment
            && proof.remembered.is_none()
            && !proof.waived
            && !proof.factor.is_spare()
            && (0..=ROW).contains(&last.at.since(proof.at))
    };
    caller.proofs.iter().filter(counts).cloned().collect()
}

/// What somebody who ticked the box wants.
struct Wish {
    proof: Proof,
    before: Vec<Proof>,
    browser: String,
    agent: String,
    until: UnixTime,
    now: UnixTime,
}

impl Wish {
    /// The browser as it is from now on, and its token. The same wish twice has the same token.
    fn granted(&self, tx: &Tx, old: Option<TrustedBrowser>) -> (TrustedBrowser, String) {
        let id = old.as_ref().map_or_else(new_id, |old| old.id.clone());
        let EnrolmentId(enrolment) = &self.proof.enrolment;
        let at = self.proof.at.0.to_be_bytes();
        let token = derived(&tx.ring(), &id, &[enrolment.as_bytes(), &at]);
        let hash = TokenHash::of(&token);
        let mut trusted = old.filter(|old| old.expires > self.now).unwrap_or_else(|| TrustedBrowser {
            id,
            token: hash,
            previous: None,
            rotated: self.now,
            proofs: Vec::new(),
            agent: String::new(),
            created: self.now,
            last_used: self.now,
            expires: self.until,
        });
        if trusted.token != hash {
            trusted.previous = Some(trusted.token);
            trusted.token = hash;
            trusted.rotated = self.now;
        }
        trusted.agent.clone_from(&self.agent);
        trusted.last_used = self.now;
        trusted.expires = trusted.expires.max(self.until);
        for made in self.before.iter().chain([&self.proof]) {
            trusted.proofs.retain(|proof| proof.enrolment != made.enrolment);
            trusted.proofs.push(made.clone());
        }
        let surplus = trusted.proofs.len().saturating_sub(MOST_PROOFS);
        trusted.proofs.drain(..surplus);
        (trusted, token)
    }
}

/// A fresh id: short, random, no secret.
fn new_id() -> TrustId {
    TrustId(URL_SAFE_NO_PAD.encode(random_bytes::<8>()).into())
}

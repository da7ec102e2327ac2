//! Signing in by a passkey alone: who it is and the proof of it in one step, for local users.
//!
//! What was begun is kept by the browser, sealed and bound to its own cookie, and used up by one
//! conditional write before it is judged; so looking at the sign-in page writes nothing. The answer is
//! counted like any other answer to a factor. It must never say whether a passkey is somebody's
//! before its signature was right, but for the one thing that browsers ask for: that it is nobody's.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};

use super::limits::Figures;
use super::new_password::identity;
use super::notice::{Teller, browser};
use super::verdicts::browser_token;
use super::view::Locked;
use super::{ChallengeError, Challenges};
use crate::ambient::UnixTime;
use crate::config::FactorKind;
use crate::factors::{Answer, Factors, Material, NormalForm, Question, Right, Verdict};
use crate::policy::{EnrolmentId, Proof, SubjectKey};
use crate::store::seal::Place;
use crate::store::{
    AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, StoreError, TokenHash, Tx, User,
};

/// Seconds that the sign-in page waits for a passkey (security.md 2.3).
const LIFE: i64 = 600;

/// A sign-in that has begun.
pub struct PasskeySignIn {
    /// What the browser's `navigator.credentials.get` takes.
    pub options: serde_json::Value,
    /// Comes back with the answer; opaque.
    pub ceremony: String,
    pub expires_at: UnixTime,
}

/// The answer to it.
pub struct PasskeyAnswer<'a> {
    pub ceremony: &'a str,
    pub answer: Answer,
    /// Value of the known-browser cookie, which it was begun with.
    pub browser: &'a str,
    pub address: IpAddr,
    pub agent: &'a str,
}

/// What became of it.
pub enum PasskeyOutcome {
    /// This person, by this proof; and a fresh known-browser token to set.
    Right {
        user: Box<User>,
        proof: Box<Proof>,
        browser: Option<String>,
    },
    /// One answer for every failure. `gone`: the passkey (its id) is nobody's, so that the browser can forget it.
    Refused {
        gone: Option<String>,
    },
    /// It has run out, was used, or was begun in another browser.
    Expired,
    Locked(Locked),
}

/// What the browser keeps for us.
#[derive(Serialize, Deserialize)]
struct Ceremony {
    payload: String,
    expires: UnixTime,
}

fn place(browser: &str) -> Place<'_> {
    Place { table: "sign_in", column: "ceremony", row: browser.as_bytes() }
}

impl Challenges {
    /// Begins a sign-in by passkey in the browser with this cookie. `None` where there is none:
    /// no local users, or no passkeys.
    ///
    /// # Errors
    /// When nothing can be begun.
    pub fn begin_passkey_sign_in(&self, browser: &str) -> Result<Option<PasskeySignIn>, ChallengeError> {
        let factor = self.factors.get(FactorKind::Passkey).and_then(|factor| factor.sign_in());
        let Some(sign_in) = factor.filter(|_| self.settings.local_source().is_some()) else {
            return Ok(None);
        };
        let unfit = |_| StoreError::Corrupt("a sign-in that begins");
        let begun = sign_in.begin().map_err(|_| StoreError::Corrupt("a sign-in that begins"))?;
        let expires = self.clock.now().plus(LIFE);
        let payload = String::from_utf8(begun.payload.expose_secret().to_vec())
            .map_err(|_| StoreError::Corrupt("a sign-in that begins"))?;
        let ceremony = serde_json::to_vec(&Ceremony { payload, expires }).map_err(unfit)?;
        let sealed = self.store.ring().seal(place(browser), &ceremony).map_err(StoreError::from)?;
        Ok(Some(PasskeySignIn {
            options: begun.options,
            ceremony: URL_SAFE_NO_PAD.encode(sealed),
            expires_at: expires,
        }))
    }

    /// Judges the answer, counts it, and says who it is.
    ///
    /// # Errors
    /// When the store cannot be asked. Nothing was told about the passkey then.
    pub async fn passkey_sign_in(&self, given: PasskeyAnswer<'_>) -> Result<PasskeyOutcome, ChallengeError> {
        let refused = Ok(PasskeyOutcome::Refused { gone: None });
        let now = self.clock.now();
        let (Some(factor), Some(source)) =
            (self.factors.get(FactorKind::Passkey), self.settings.local_source())
        else {
            return refused;
        };
        let Some(ceremony) = self.opened(&given).filter(|ceremony| ceremony.expires > now) else {
            return Ok(PasskeyOutcome::Expired);
        };
        let Ok(answer) = factor.normal_form(&given.answer) else {
            return refused;
        };
        let Some(handle) = factor.sign_in().and_then(|sign_in| sign_in.handle(&answer)) else {
            return refused;
        };
        let judgement = Judgement {
            factors: Arc::clone(&self.factors),
            teller: self.teller(),
            figures: self.figures(),
            source: source.to_owned(),
            answer,
            handle,
            begun: SecretSlice::from(ceremony.payload.into_bytes()),
            used: TokenHash::of(given.ceremony),
            expires: ceremony.expires,
            browser: given.browser.to_owned(),
            address: given.address,
            agent: given.agent.to_owned(),
            now,
        };
        let judged = self.store.write(move |tx| judgement.judge(tx)).await?;
        Ok(match judged {
            Judged::Outcome(outcome) => outcome,
            Judged::Right { subject, proof, browser } => {
                self.welcome(source, &subject, proof, browser).await?
            }
        })
    }

    fn opened(&self, given: &PasskeyAnswer<'_>) -> Option<Ceremony> {
        let sealed = URL_SAFE_NO_PAD.decode(given.ceremony).ok()?;
        let opened = self.store.ring().open(place(given.browser), &sealed).ok()?;
        serde_json::from_slice(opened.expose_secret()).ok()
    }

    async fn welcome(
        &self,
        source: &str,
        subject: &SubjectKey,
        proof: Box<Proof>,
        browser: Option<String>,
    ) -> Result<PasskeyOutcome, ChallengeError> {
        let name = subject.as_str().strip_prefix(source).and_then(|rest| rest.strip_prefix(':'));
        let user = match name {
            Some(name) => self.store.user(name).await?,
            None => None,
        };
        Ok(match user.filter(|user| !user.disabled) {
            Some(user) => PasskeyOutcome::Right { user: Box::new(user), proof, browser },
            None => PasskeyOutcome::Refused { gone: None },
        })
    }
}

/// Everything that the one transaction needs.
struct Judgement {
    factors: Arc<Factors>,
    teller: Teller,
    figures: Figures,
    source: String,
    answer: NormalForm,
    handle: String,
    begun: SecretSlice<u8>,
    used: TokenHash,
    expires: UnixTime,
    browser: String,
    address: IpAddr,
    agent: String,
    now: UnixTime,
}

enum Judged {
    Outcome(PasskeyOutcome),
    Right { subject: SubjectKey, proof: Box<Proof>, browser: Option<String> },
}

/// Whose passkey it is, and where the attempt counts.
struct Holder {
    subject: SubjectKey,
    enrolment: EnrolmentId,
    material: Material,
    key: CounterKey,
    count: CounterRecord,
}

impl Judgement {
    async fn judge(self, mut tx: Tx) -> Result<Judged, StoreError> {
        let Some(holder) = self.holder(&mut tx).await? else {
            // Only what nobody has may be forgotten by the browser; another's is no business of this form.
            let gone = match tx.holder(&self.handle).await? {
                None => Some(self.handle),
                Some(_) => None,
            };
            return Ok(Judged::Outcome(PasskeyOutcome::Refused { gone }));
        };
        if tx.is_stopped(&holder.subject).await? {
            return Ok(Judged::Outcome(PasskeyOutcome::Locked(Locked::Stopped)));
        }
        if let Some(locked) = self.figures.lock(&holder.count, self.now) {
            return Ok(Judged::Outcome(PasskeyOutcome::Locked(locked)));
        }
        // Before it is judged: the same answer posted twice is no copy of the passkey.
        if !tx.use_ceremony(&self.used, self.expires).await? {
            return Ok(Judged::Outcome(PasskeyOutcome::Expired));
        }
        let question = Question { material: &holder.material, begun: Some(&self.begun), now: self.now };
        let factor = self.factors.get(FactorKind::Passkey);
        match factor.map_or(Verdict::Wrong, |factor| factor.check(&question, &self.answer)) {
            Verdict::Right(right) => self.passed(tx, holder, right).await,
            Verdict::Cloned => self.cloned(tx, &holder).await,
            _ => self.wrong(tx, &holder, "wrong").await,
        }
    }

    /// A local user's, and still enrolled.
    async fn holder(&self, tx: &mut Tx) -> Result<Option<Holder>, StoreError> {
        let Some((subject, enrolment)) = tx.holder(&self.handle).await? else {
            return Ok(None);
        };
        let local = subject
            .as_str()
            .strip_prefix(&*self.source)
            .is_some_and(|rest| rest.starts_with(':'));
        let enrolled = tx.enrolments(&subject).await?;
        let is_passkey = enrolled
            .iter()
            .any(|one| one.id == enrolment && one.factor == FactorKind::Passkey);
        let Some(material) = tx.material(&subject, &enrolment).await?.filter(|_| local && is_passkey) else {
            return Ok(None);
        };
        let known = tx.is_known_browser(&subject, &self.browser).await?;
        let lane = if known { Lane::Known } else { Lane::Other };
        let key = CounterKey { subject: subject.clone(), kind: CounterKind::Factor, lane };
        let count = tx.counter(&key).await?;
        Ok(Some(Holder { subject, enrolment, material, key, count }))
    }

    async fn passed(self, mut tx: Tx, holder: Holder, right: Right) -> Result<Judged, StoreError> {
        let Holder { subject, enrolment, material, key, count } = holder;
        if !tx.advance(&subject, &enrolment, material.state, right.state).await? {
            // Nothing was committed: it did not count.
            return Ok(Judged::Outcome(PasskeyOutcome::Expired));
        }
        if let Some(material) = &right.material {
            tx.replace_material(&subject, &enrolment, material).await?;
        }
        let fresh = (key.lane == Lane::Other).then(|| browser_token(&tx, &self.used.0));
        let browser = fresh.as_deref().unwrap_or(&self.browser);
        tx.remember_browser(&subject, browser, self.now).await?;
        tx.note_use(&subject, &enrolment, self.now, &self.agent, Some(browser)).await?;
        let forgiven = Figures::after_right_by(FactorKind::Passkey, &count, self.now);
        if count != forgiven {
            tx.set_counter(&key, forgiven).await?;
        }
        tx.audit(self.event(&subject, "passed").with("enrolment", &*enrolment.0))
            .await?;
        let properties = right.properties;
        let proof = Proof { properties, ..Proof::new(FactorKind::Passkey, enrolment, self.now) };
        tx.commit(Judged::Right { subject, proof: Box::new(proof), browser: fresh })
            .await
    }

    /// Told, and not counted: a signature cannot be guessed, and a stranger must not lock anybody (E08).
    async fn wrong(&self, mut tx: Tx, holder: &Holder, result: &str) -> Result<Judged, StoreError> {
        let event = self.event(&holder.subject, result);
        tx.audit(event.with("enrolment", &*holder.enrolment.0)).await?;
        tx.commit(Judged::Outcome(PasskeyOutcome::Refused { gone: None })).await
    }

    /// As [`Judgement::wrong`], and its owner hears of it.
    async fn cloned(&self, mut tx: Tx, holder: &Holder) -> Result<Judged, StoreError> {
        let name = holder.subject.as_str().strip_prefix(&*self.source);
        let user = match name.and_then(|rest| rest.strip_prefix(':')) {
            Some(name) => tx.user(name).await?,
            None => None,
        };
        let told = match user {
            Some(user) => {
                let (identity, origin) = (identity(&self.source, &user), browser(&self.agent, self.address));
                let id = &holder.enrolment;
                Some(self.teller.prepare_copied(&mut tx, &identity, id, origin, self.now).await?)
            }
            None => None,
        };
        let judged = self.wrong(tx, holder, "cloned").await?;
        if let Some(told) = told {
            told.tell();
        }
        Ok(judged)
    }

    fn event(&self, subject: &SubjectKey, result: &str) -> AuditEvent {
        AuditEvent::new(self.now, "sign_in.passkey", result)
            .who(subject.as_str())
            .from(self.address)
            .with("factor", FactorKind::Passkey.name())
            .with("agent", &*self.agent)
    }
}

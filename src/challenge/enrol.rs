//! Enrolling, listing, renaming and removing factors. Each change needs permission
//! ([`super::permission`]); confirming goes through the one function that judges answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::attempt::Target;
use super::notice::Act;
use super::start::started_view;
use super::view::{Addable, Caller, Change, EnrolmentView, Outcome, PendingEnrolment};
use super::{ChallengeError, Challenges};
use crate::ambient::random_token;
use crate::config::{FactorKind, FactorSet, Properties};
use crate::delivery::Event;
use crate::factors::{Answer, Enrolling, Factor, Material};
use crate::policy::EnrolmentId;
use crate::store::{AuditEvent, EnrolmentRecord, NewEnrolment, NewPending, StoreError};

/// Enrolments of one person.
pub(super) const MAX_ENROLMENTS: usize = 20;
/// Seconds that a pending enrolment waits (ux.md P-21).
const PENDING_LIFE: i64 = 900;
/// Characters of a name.
const MAX_NAME: usize = 64;

impl Challenges {
    /// Uses an invitation for the caller in this session; `false` when it is another person's,
    /// used, or has run out.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn redeem_invitation(&self, caller: &Caller, token: &str) -> Result<bool, ChallengeError> {
        let identity = &caller.identity;
        let audit = self.event(caller, "invitation.redeemed");
        let now = self.clock.now();
        Ok(self
            .store
            .redeem_invitation(token, &identity.key, &identity.binding, now, Some(audit))
            .await?)
    }

    /// The kinds that a person can add, strongest first.
    #[must_use]
    pub fn addable(&self) -> Vec<Addable> {
        let mut kinds: Vec<Addable> = self
            .factors
            .iter()
            .filter(|factor| factor.can_be_enrolled())
            .map(|factor| Addable {
                factor: factor.kind(),
                details: factor.details(),
                countries: factor.countries().to_vec(),
            })
            .collect();
        kinds.sort_by_key(|one| one.factor.rank());
        kinds
    }

    /// Begins an enrolment: makes its secret and keeps it sealed until it is confirmed.
    ///
    /// # Errors
    /// [`ChallengeError::NotPermitted`] says what is needed first.
    pub async fn begin_enrolment(
        &self,
        caller: &Caller,
        kind: FactorKind,
        details: &BTreeMap<String, String>,
    ) -> Result<PendingEnrolment, ChallengeError> {
        self.require_permission(caller, Change::enrolling(kind)).await?;
        let factor = self.factors.get(kind).filter(|factor| factor.can_be_enrolled());
        let factor = factor.ok_or(ChallengeError::NoSuchFactor)?;
        let enrolled = self.store.enrolments(&caller.identity.key).await?;
        if enrolled.len() >= MAX_ENROLMENTS && !factor.replaces_others() {
            return Err(ChallengeError::TooMany);
        }
        let same = self.materials(caller, &enrolled, kind).await?;
        let (material, setup) = factor.begin(&self.enrolling(caller, details, &same))?;
        let now = self.clock.now();
        let json = serde_json::to_vec(&setup).map_err(|_| StoreError::Corrupt("setup"))?;
        let pending = NewPending {
            id: random_token(),
            subject: caller.identity.key.clone(),
            binding: caller.identity.binding,
            factor: kind,
            name: free_name(factor, &material, &caller.agent, &enrolled),
            material,
            setup: SecretSlice::from(json),
            created: now,
            expires: now.plus(PENDING_LIFE),
        };
        let view = PendingEnrolment {
            id: pending.id.clone(),
            factor: kind,
            name: pending.name.clone(),
            setup,
            prompt: factor.prompt(),
            started: None,
            expires_at: pending.expires,
        };
        let audit = self.event(caller, "enrolment.begun").with("factor", kind.name());
        self.store
            .write(move |mut tx| async move {
                tx.insert_pending(&pending).await?;
                tx.audit(audit).await?;
                tx.commit(()).await
            })
            .await?;
        Ok(view)
    }

    /// The person as a factor may know them.
    fn enrolling<'a>(
        &self,
        caller: &'a Caller,
        details: &'a BTreeMap<String, String>,
        enrolled: &'a [Material],
    ) -> Enrolling<'a> {
        let identity = &caller.identity;
        let mac = self.store.ring().mac("person", &[identity.key.as_str().as_bytes()]);
        let mut person = [0; 16];
        person.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        Enrolling {
            account: &identity.subject,
            display_name: identity.display_name(),
            email: identity.email.as_deref(),
            person,
            details,
            enrolled,
        }
    }

    /// What is kept of the caller's enrolments of this kind.
    async fn materials(
        &self,
        caller: &Caller,
        enrolled: &[EnrolmentRecord],
        kind: FactorKind,
    ) -> Result<Vec<Material>, ChallengeError> {
        let subject = caller.identity.key.clone();
        let ids: Vec<EnrolmentId> = enrolled
            .iter()
            .filter(|one| one.factor == kind)
            .map(|one| one.id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.store.write(move |mut tx| async move {
            let mut all = Vec::new();
            for id in &ids {
                all.extend(tx.material(&subject, id).await?);
            }
            tx.commit(all).await
        });
        Ok(all.await?)
    }

    /// Gives the caller what everybody has without enrolling, of the kinds that count here.
    pub(super) async fn enrol_automatically(
        &self,
        caller: &Caller,
        accepted: FactorSet,
    ) -> Result<(), ChallengeError> {
        let automatic = || {
            self.factors
                .iter()
                .filter(|one| one.is_automatic() && accepted.contains(one.kind()))
        };
        if automatic().next().is_none() {
            return Ok(());
        }
        let enrolled = self.store.enrolments(&caller.identity.key).await?;
        for factor in automatic().filter(|one| enrolled.iter().all(|has| has.factor != one.kind())) {
            let none = BTreeMap::new();
            let (material, _) = factor.begin(&self.enrolling(caller, &none, &[]))?;
            let new = NewEnrolment {
                factor: factor.kind(),
                name: free_name(factor, &material, &caller.agent, &enrolled),
                material,
            };
            let audit = self.event(caller, "enrolment.automatic").with("factor", factor.kind().name());
            self.store
                .add_enrolment_of_kind(&caller.identity.key, new, self.clock.now(), audit)
                .await?;
        }
        Ok(())
    }

    /// The caller's enrolment that waits for its confirmation, with what it shows; `None` when
    /// there is none, it has run out, or it has been confirmed.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn pending(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Option<PendingEnrolment>, ChallengeError> {
        let identity = &caller.identity;
        let Some(record) = self.store.pending(&identity.key, &identity.binding, id).await? else {
            return Ok(None);
        };
        let Some(waiting) = record.waiting.filter(|_| record.expires > self.clock.now()) else {
            return Ok(None);
        };
        let setup = serde_json::from_slice(waiting.setup.expose_secret())
            .map_err(|_| StoreError::Corrupt("setup"))?;
        let factor = self.factors.get(record.factor).ok_or(ChallengeError::NoSuchFactor)?;
        let now = self.clock.now();
        let started = self.store.started(&identity.key, id).await?;
        let started = started.iter().find(|one| one.enrolment.is_none() && one.expires > now);
        Ok(Some(PendingEnrolment {
            id: id.to_owned(),
            factor: record.factor,
            name: record.name,
            setup,
            prompt: factor.prompt(),
            started: started.map(started_view),
            expires_at: record.expires,
        }))
    }

    /// Confirms an enrolment. A name of spaces leaves the proposed one. `None`: no such enrolment.
    ///
    /// # Errors
    /// [`ChallengeError::NotPermitted`] when what permitted the beginning is gone.
    pub async fn confirm_enrolment(
        &self,
        caller: &Caller,
        id: &str,
        name: &str,
        answer: Answer,
    ) -> Result<Option<Outcome>, ChallengeError> {
        let name = if name.trim().is_empty() {
            None
        } else {
            Some(checked_name(name)?)
        };
        self.judge(caller, Target::Enrolment { id: id.to_owned(), name }, answer).await
    }

    /// The caller's enrolments, oldest first, those of factors that are off included.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn enrolments(&self, caller: &Caller) -> Result<Vec<EnrolmentView>, ChallengeError> {
        let subject = &caller.identity.key;
        let enrolled = self.store.enrolments(subject).await?;
        let default = self.store.person(subject).await?.and_then(|person| person.default_enrolment);
        let view = |one| self.enrolment_view(one, default.as_ref());
        Ok(enrolled.into_iter().map(view).collect())
    }

    fn enrolment_view(&self, one: EnrolmentRecord, default: Option<&EnrolmentId>) -> EnrolmentView {
        EnrolmentView {
            is_default: Some(&one.id) == default,
            is_off: self.factors.get(one.factor).is_none(),
            left: self.factors.get(one.factor).and_then(|factor| factor.left(one.state)),
            stays: one.about.properties.covers(Properties::DEVICE_BOUND),
            id: one.id,
            factor: one.factor,
            name: one.name,
            hint: one.about.hint,
            note: one.about.note,
            added: one.created,
            last_used: one.last_used,
            last_used_by: one.last_used_by,
        }
    }

    /// Gives one of the caller's enrolments another name; `false` when there is none with this id.
    ///
    /// # Errors
    /// [`ChallengeError::NotPermitted`] without a fresh proof, [`ChallengeError::BadName`].
    pub async fn rename(
        &self,
        caller: &Caller,
        id: &EnrolmentId,
        name: &str,
    ) -> Result<bool, ChallengeError> {
        self.require_permission(caller, Change::Other).await?;
        let name = checked_name(name)?;
        let audit = self.event(caller, "enrolment.renamed").with("enrolment", &*id.0);
        Ok(self
            .store
            .rename_enrolment(&caller.identity.key, id, &name, Some(audit))
            .await?)
    }

    /// Makes one of the caller's enrolments the one to be asked for first; `false` when there is
    /// none with this id.
    ///
    /// # Errors
    /// [`ChallengeError::NotPermitted`] without a fresh proof.
    pub async fn prefer(&self, caller: &Caller, id: &EnrolmentId) -> Result<bool, ChallengeError> {
        self.require_permission(caller, Change::Other).await?;
        let audit = self.event(caller, "enrolment.preferred").with("enrolment", &*id.0);
        Ok(self.store.set_default_enrolment(&caller.identity.key, id, audit).await?)
    }

    /// Removes one of the caller's enrolments; its proofs count no more, in every process.
    /// `false` when there is none with this id.
    ///
    /// # Errors
    /// [`ChallengeError::NotPermitted`] without a fresh proof.
    pub async fn remove(&self, caller: &Caller, id: &EnrolmentId) -> Result<bool, ChallengeError> {
        self.require_permission(caller, Change::Other).await?;
        let audit = self.event(caller, "enrolment.removed").with("enrolment", &*id.0);
        let (teller, identity) = (self.teller(), Arc::clone(&caller.identity));
        let (id, now, origin) = (id.clone(), self.clock.now(), caller.origin());
        let removed = self.store.write(move |mut tx| async move {
            let enrolled = tx.enrolments(&identity.key).await?;
            let Some(one) = enrolled.into_iter().find(|one| one.id == id) else {
                return tx.commit(false).await;
            };
            let event = Event::FactorRemoved { name: one.name };
            let act = Act { event, changed: Some(&id), origin };
            let told = teller.prepare(&mut tx, &identity, act, now).await?;
            if !tx.remove_enrolment(&identity.key, &id, now).await? {
                return tx.commit(false).await;
            }
            tx.audit(audit).await?;
            tx.commit(()).await?;
            told.tell();
            Ok(true)
        });
        Ok(removed.await?)
    }

    pub(super) fn event(&self, caller: &Caller, what: &str) -> AuditEvent {
        AuditEvent::new(self.clock.now(), what, "ok")
            .who(caller.identity.key.as_str())
            .from(caller.address)
            .with("agent", &*caller.agent)
    }
}

/// The name as it is kept.
fn checked_name(name: &str) -> Result<String, ChallengeError> {
    let name = name.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(ChallengeError::BadName)
    }
}

/// "Phone", or "Phone 2" where there is one.
pub(super) fn free_name(
    factor: &dyn Factor,
    material: &Material,
    agent: &str,
    enrolled: &[EnrolmentRecord],
) -> String {
    let plain = factor.name_where(material, agent);
    let taken = |name: &str| enrolled.iter().any(|one| one.name == name);
    if factor.replaces_others() || !taken(&plain) {
        return plain;
    }
    (2..=MAX_ENROLMENTS + 1)
        .map(|n| format!("{plain} {n}"))
        .find(|name| !taken(name))
        .unwrap_or(plain)
}

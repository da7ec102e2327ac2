//! Whom to tell what, when a factor comes or goes or a spare one is used.
//!
//! What is to be told is read within the transaction of the act, and handed over when that is durable:
//! nobody is told what did not happen, and hanging up in time keeps nothing quiet. Sending is
//! [`Notices`]' and holds nothing up.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attempt::{Attempt, Target};
use crate::ambient::{UnixTime, random_token};
use crate::config::{FactorKind, Settings};
use crate::delivery::notices::{Notices, Telling};
use crate::delivery::{Channel, Content, Delivery, Event, Language, Message, Notice};
use crate::factors::Factors;
use crate::policy::{EnrolmentId, Identity};
use crate::store::{StoreError, Tx};

/// What it takes to tell somebody. Cheap to clone.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) notices: Notices,
    pub(super) delivery: Delivery,
    pub(super) factors: Arc<Factors>,
    pub(super) settings: Arc<Settings>,
}

/// A notice that may be sent once the act is durable.
pub(super) struct Prepared {
    teller: Teller,
    who: String,
    notice: Notice,
    to: BTreeSet<(Channel, String)>,
}

impl Teller {
    /// As [`Teller::prepare`], to the person's own address alone.
    pub(super) fn prepare_mail(&self, identity: &Identity, event: Event, now: UnixTime) -> Prepared {
        let own = identity.email.as_deref().map(|email| (Channel::Email, email.to_owned()));
        self.prepared(identity, event, own.into_iter().collect(), now)
    }

    /// Everything but the sending. `changed` is the factor that it is about: it is not asked to tell of
    /// itself.
    pub(super) async fn prepare(
        &self,
        tx: &mut Tx,
        identity: &Identity,
        event: Event,
        changed: Option<&EnrolmentId>,
        now: UnixTime,
    ) -> Result<Prepared, StoreError> {
        let own = identity.email.as_deref().map(|email| (Channel::Email, email.to_owned()));
        let mut to: BTreeSet<_> = own.into_iter().collect();
        for one in tx.enrolments(&identity.key).await? {
            let Some(factor) = self.factors.get(one.factor).filter(|_| changed != Some(&one.id)) else {
                continue;
            };
            if let Some(material) = tx.material(&identity.key, &one.id).await? {
                to.extend(factor.sends_to(&material));
            }
        }
        // Nobody is called at night because of a notice.
        to.retain(|(channel, _)| *channel != Channel::Voice);
        // A text costs money, and this may be one's own new browser every week.
        if matches!(event, Event::SignedIn { .. }) {
            to.retain(|(channel, _)| *channel == Channel::Email);
        }
        Ok(self.prepared(identity, event, to, now))
    }

    fn prepared(
        &self,
        identity: &Identity,
        event: Event,
        mut to: BTreeSet<(Channel, String)>,
        now: UnixTime,
    ) -> Prepared {
        to.retain(|(channel, _)| self.delivery.offers(*channel));
        let server = &self.settings.server;
        let notice = Notice {
            event,
            at: now,
            brand: self.settings.branding.name.clone(),
            page: format!("{}{}/my-mfa", server.public_url.origin(), server.prefix),
            support: self.settings.branding.support_url.clone(),
        };
        Prepared { teller: self.clone(), who: identity.key.as_str().to_owned(), notice, to }
    }
}

impl Attempt {
    /// What a right answer gives reason to tell of.
    pub(super) async fn notice(
        &self,
        tx: &mut Tx,
        kind: FactorKind,
        enrolment: &EnrolmentId,
        left: Option<u32>,
    ) -> Result<Option<Prepared>, StoreError> {
        let identity = &self.caller.identity;
        let event = match (&self.target, kind) {
            (Target::Enrolment { .. }, _) => {
                let enrolled = tx.enrolments(&identity.key).await?;
                let name = enrolled.into_iter().find(|one| one.id == *enrolment).map(|one| one.name);
                Event::FactorAdded { name: name.unwrap_or_default() }
            }
            (_, FactorKind::RecoveryCode) => Event::RecoveryCodeUsed { left: left.unwrap_or_default() },
            (_, FactorKind::TemporaryCode) => Event::TemporaryCodeUsed,
            _ => return Ok(None),
        };
        let prepared = self.teller.prepare(tx, identity, event, Some(enrolment), self.now).await?;
        Ok(Some(prepared))
    }
}

impl Prepared {
    /// Returns at once.
    pub(super) fn tell(self) {
        let Self { teller, who, notice, to } = self;
        for (channel, to) in to {
            let message = Message {
                channel,
                to,
                content: Content::Notice(notice.clone()),
                language: Language::En,
                id: random_token(),
            };
            let telling = Telling { who: who.clone(), what: notice.event.name(), message };
            teller.notices.tell(&teller.delivery, telling);
        }
    }
}

//! Whom to tell what, when a factor comes or goes or a spare one is used.
//!
//! What is to be told is read within the transaction of the act, and handed over when that is durable:
//! nobody is told what did not happen, and hanging up in time keeps nothing quiet. Sending is
//! [`Notices`]' and holds nothing up.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::attempt::{Attempt, Target};
use super::report;
use super::view::Caller;
use crate::ambient::{UnixTime, random_token};
use crate::config::{FactorKind, Settings};
use crate::delivery::notices::{Notices, Telling};
use crate::delivery::{
    Channel, Content, Delivery, Event, Language, Message, Notice, Opening, Origin, masked,
};
use crate::factors::{Factors, Verdict};
use crate::policy::{EnrolmentId, Identity};
use crate::store::{Report, StoreError, Tx};

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

/// What is to be told.
pub(super) struct Act<'a> {
    pub(super) event: Event,
    /// The factor that it is about: it is not asked to tell of itself.
    pub(super) changed: Option<&'a EnrolmentId>,
    pub(super) origin: Origin,
}

impl Act<'static> {
    pub(super) const fn new(event: Event, origin: Origin) -> Self {
        Self { event, changed: None, origin }
    }
}

/// A browser, as notices tell of it.
pub(super) fn browser(agent: &str, address: IpAddr) -> Origin {
    Origin::Browser { agent: agent.to_owned(), address: address.to_string() }
}

impl Caller {
    /// Where what they do comes from.
    pub(super) fn origin(&self) -> Origin {
        browser(&self.agent, self.address)
    }
}

impl Teller {
    /// As [`Teller::prepare`], to the person's own address alone, and with nothing to answer it by.
    pub(super) fn prepare_mail(&self, identity: &Identity, act: Act<'_>, now: UnixTime) -> Prepared {
        let own = identity.email.as_deref().map(|email| (Channel::Email, email.to_owned()));
        self.prepared(identity, act, own.into_iter().collect(), now)
    }

    /// Everything but the sending.
    pub(super) async fn prepare(
        &self,
        tx: &mut Tx,
        identity: &Identity,
        act: Act<'_>,
        now: UnixTime,
    ) -> Result<Prepared, StoreError> {
        let own = identity.email.as_deref().map(|email| (Channel::Email, email.to_owned()));
        let mut to: BTreeSet<_> = own.into_iter().collect();
        for one in tx.enrolments(&identity.key).await? {
            let Some(factor) = self.factors.get(one.factor).filter(|_| act.changed != Some(&one.id)) else {
                continue;
            };
            if let Some(material) = tx.material(&identity.key, &one.id).await? {
                to.extend(factor.sends_to(&material));
            }
        }
        // Nobody is called at night because of a notice.
        to.retain(|(channel, _)| *channel != Channel::Voice);
        // A text costs money, and these may be one's own new browser, or a stranger's doing, every week.
        if matches!(act.event, Event::SignedIn | Event::Locked) {
            to.retain(|(channel, _)| *channel == Channel::Email);
        }
        let mut prepared = self.prepared(identity, act, to, now);
        if prepared.to.iter().any(|(channel, _)| *channel == Channel::Email) {
            let (token, notice) = (random_token(), &mut prepared.notice);
            let report = Report { subject: identity.key.clone(), what: notice.event.sentence(), at: now };
            tx.insert_report_link(&token, &report, now.plus(report::LIFE)).await?;
            let server = &self.settings.server;
            let link = format!("{}{}/not-me?link={token}", server.public_url.origin(), server.prefix);
            notice.not_me = Some(Opening::new(link));
        }
        Ok(prepared)
    }

    /// That an answer of this passkey came from a copy of it.
    pub(super) async fn prepare_copied(
        &self,
        tx: &mut Tx,
        identity: &Identity,
        id: &EnrolmentId,
        origin: Origin,
        now: UnixTime,
    ) -> Result<Prepared, StoreError> {
        let enrolled = tx.enrolments(&identity.key).await?;
        let name = enrolled.into_iter().find(|one| one.id == *id).map(|one| one.name);
        let event = Event::PasskeyCopied { name: name.unwrap_or_default() };
        self.prepare(tx, identity, Act { event, changed: Some(id), origin }, now).await
    }

    fn prepared(
        &self,
        identity: &Identity,
        act: Act<'_>,
        mut to: BTreeSet<(Channel, String)>,
        now: UnixTime,
    ) -> Prepared {
        to.retain(|(channel, _)| self.delivery.offers(*channel));
        let server = &self.settings.server;
        let notice = Notice {
            event: act.event,
            at: now,
            origin: Some(act.origin),
            not_me: None,
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
        let act = Act { event, changed: Some(enrolment), origin: self.caller.origin() };
        self.teller.prepare(tx, identity, act, self.now).await.map(Some)
    }
}

impl Attempt {
    /// What a wrong answer gives reason to tell of. `hit`: the enrolment it was given with; `locks`:
    /// whether it was one too many, for the first time in a row of them.
    pub(super) async fn wrong_notice(
        &self,
        tx: &mut Tx,
        verdict: &Verdict,
        hit: Option<&EnrolmentId>,
        locks: bool,
    ) -> Result<Option<Prepared>, StoreError> {
        let identity = &self.caller.identity;
        let event = match (verdict, hit) {
            (Verdict::Cloned, Some(id)) => {
                let origin = self.caller.origin();
                return self.teller.prepare_copied(tx, identity, id, origin, self.now).await.map(Some);
            }
            _ if locks => Event::Locked,
            _ => return Ok(None),
        };
        let act = Act { event, changed: hit, origin: self.caller.origin() };
        self.teller.prepare(tx, identity, act, self.now).await.map(Some)
    }
}

impl Prepared {
    /// Where it will go, as logs may show it.
    pub(super) fn destinations(&self) -> Vec<String> {
        self.to.iter().map(|(_, to)| masked(to)).collect()
    }

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

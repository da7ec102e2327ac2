//! What has to happen before there can be an answer: the code that is sent, the ceremony, the
//! question to a service. It is begun for one challenge (or one enrolment that waits) and one
//! enrolment, kept sealed, and never begun by a GET where it sends or asks anything.

use std::time::Duration;

use super::attempt::{Attempt, Given, Target};
use super::sends::{self, Asked, Cap, RESEND_AFTER, Reserved};
use super::view::{Beginning, Caller, Change, Purpose, Start, StartedView, Way, WayBack};
use super::{ChallengeError, Challenges};
use crate::ambient::random_token;
use crate::config::FactorKind;
use crate::delivery::voice::asked;
use crate::delivery::{Channel, Code, Content, Language, Message};
use crate::factors::{
    Answer, Dispatch, Factor, Material, Prompt, Right, Shows, StartError, Started, Starting, Starts,
    Unavailable, Verdict,
};
use crate::policy::EnrolmentId;
use crate::store::{NewStarted, StartedRecord};

/// Seconds that must be left for a person to answer what was begun before.
const LEAST_LEFT: i64 = 120;
/// What was sent late in the life of a challenge must not run out with it: so long may one live in all.
/// Seconds (security.md 2.3).
const LONGEST_CHALLENGE: i64 = 600;
/// A service may be slow to begin.
const LONGEST_START: Duration = Duration::from_secs(35);

/// What is shown of something that has begun.
pub(super) fn started_view(record: &StartedRecord) -> StartedView {
    // What rings a phone disturbs as much as a message does (security.md E21).
    let again_at = matches!(record.shows, Shows::Sent { .. } | Shows::Approve { .. })
        .then(|| record.at.plus(RESEND_AFTER));
    StartedView { shows: record.shows.clone(), at: record.at, again_at, expires_at: record.expires }
}

/// What is begun, and for whom.
struct Question<'a> {
    id: &'a str,
    /// `None` for an enrolment that waits.
    enrolment: Option<EnrolmentId>,
    material: Material,
    /// The person's others of the kind that may be answered with as well.
    others: Vec<Material>,
    app: String,
    /// Names of the levels that are missing; none where a change of factors is what it is for.
    levels: Vec<String>,
}

impl Challenges {
    /// Begins what a way needs before it can be answered. `None`: no such challenge, or the
    /// enrolment does not count for it, or it needs nothing.
    ///
    /// # Errors
    /// [`ChallengeError::Locked`] while no answer is judged; else when the store cannot be asked.
    pub async fn start(
        &self,
        caller: &Caller,
        id: &str,
        enrolment: &EnrolmentId,
        start: &Start,
    ) -> Result<Option<Beginning>, ChallengeError> {
        if let Some(locked) = self.lock(caller).await? {
            return Err(ChallengeError::Locked(locked));
        }
        let Some(view) = self.view(caller, id).await? else {
            return Ok(None);
        };
        let way = view.ways.iter().find(|way| way.enrolment == *enrolment && way.accepted);
        let Some((factor, way)) = way.and_then(|way| Some((self.factors.get(way.factor)?, way))) else {
            return Ok(None);
        };
        if view.expires_at <= self.clock.now() {
            return Ok(Some(Beginning::Expired));
        }
        let Some(material) = self.material(caller, &way.enrolment).await? else {
            return Ok(None);
        };
        let mut others = Vec::new();
        let same = |one: &&Way| one.factor == way.factor && one.accepted && one.enrolment != way.enrolment;
        for one in view.ways.iter().filter(same).filter(|_| factor.asks_for_any()) {
            others.extend(self.material(caller, &one.enrolment).await?);
        }
        let Purpose { app, levels, .. } = view.purpose.clone();
        let question = Question { id, enrolment: Some(enrolment.clone()), material, others, app, levels };
        self.begin_question(caller, factor, question, start).await.map(Some)
    }

    /// Begins what the confirmation of an enrolment needs. `None`: there is no such enrolment.
    ///
    /// # Errors
    /// As [`Challenges::start`].
    pub async fn start_enrolment(
        &self,
        caller: &Caller,
        id: &str,
        start: &Start,
    ) -> Result<Option<Beginning>, ChallengeError> {
        if let Some(locked) = self.lock(caller).await? {
            return Err(ChallengeError::Locked(locked));
        }
        let identity = &caller.identity;
        let Some(pending) = self.store.pending(&identity.key, &identity.binding, id).await? else {
            return Ok(None);
        };
        self.require_permission(caller, Change::enrolling(pending.factor)).await?;
        let Some(factor) = self.factors.get(pending.factor) else {
            return Ok(None);
        };
        let Some(waiting) = pending.waiting.filter(|_| pending.expires > self.clock.now()) else {
            return Ok(Some(Beginning::Expired));
        };
        let app = self.settings.branding.name.clone();
        let question = Question {
            id,
            enrolment: None,
            material: waiting.material,
            others: Vec::new(),
            app,
            levels: Vec::new(),
        };
        self.begin_question(caller, factor, question, start).await.map(Some)
    }

    /// What another site sent the caller back for; `None` when it is not theirs, used, or has run out.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn way_back(&self, caller: &Caller, handle: &str) -> Result<Option<WayBack>, ChallengeError> {
        let found = self.store.started_by_handle(&caller.identity.key, handle).await?;
        let found = found.filter(|found| found.expires > self.clock.now());
        Ok(found.map(|found| WayBack {
            question: found.question,
            enrolment: found.enrolment,
            onward: found.onward,
        }))
    }

    async fn material(
        &self,
        caller: &Caller,
        enrolment: &EnrolmentId,
    ) -> Result<Option<Material>, ChallengeError> {
        let (subject, id) = (caller.identity.key.clone(), enrolment.clone());
        let found = self.store.write(move |mut tx| async move {
            let material = tx.material(&subject, &id).await?;
            tx.commit(material).await
        });
        Ok(found.await?)
    }

    async fn begin_question(
        &self,
        caller: &Caller,
        factor: &dyn Factor,
        question: Question<'_>,
        start: &Start,
    ) -> Result<Beginning, ChallengeError> {
        let now = self.clock.now();
        let all = self.store.started(&caller.identity.key, question.id).await?;
        let before = all
            .into_iter()
            .find(|one| one.enrolment == question.enrolment && one.expires > now);
        let again_at = before.as_ref().and_then(|one| started_view(one).again_at);
        if let Some(until) = again_at.filter(|until| *until > now) {
            return Ok(Beginning::NotYet { until, cap: Cap::Resend });
        }
        // What is begun by showing it stays as it is in every tab, until it is answered.
        let keeps = |one: &&StartedRecord| {
            factor.starts() == Starts::WhenShown && one.expires.since(now) >= LEAST_LEFT
        };
        if let Some(record) = before.as_ref().filter(keeps) {
            return Ok(Beginning::Begun(started_view(record)));
        }
        let counted = match self.push_counted(caller, factor).await? {
            Some(Reserved::Held { cap, until }) => {
                return Ok(Beginning::NotYet { until, cap });
            }
            Some(Reserved::Counted(id)) => Some(id),
            None => None,
        };
        let starting = Starting {
            material: &question.material,
            others: &question.others,
            before: before.as_ref().map(|before| &before.payload),
            choice: &start.choice,
            account: &caller.identity.subject,
            app: &question.app,
            return_url: &self.return_url(),
            client: caller.address,
            now,
        };
        let begun = tokio::time::timeout(LONGEST_START, factor.start(starting)).await;
        let begun = begun.unwrap_or_else(|_| Err(Unavailable("it took too long to begin".to_owned()).into()));
        if let (Some(id), Err(StartError::Refused(_) | StartError::Unknown | StartError::Waived)) =
            (&counted, &begun)
        {
            // Nobody's phone has rung.
            sends::give_back(&self.store, id).await;
        }
        match begun {
            Ok(started) => {
                self.keep_and_send(caller, factor.kind(), &question, started, before, start)
                    .await
            }
            Err(StartError::Refused(reason)) => Ok(Beginning::Refused(reason)),
            Err(StartError::Unknown) => Ok(Beginning::Unknown),
            Err(StartError::Waived) => self.waive(caller, &question).await,
            Err(StartError::Unavailable(error)) => {
                tracing::warn!(factor = factor.kind().name(), %error, "a service did not answer");
                Ok(Beginning::Refused(crate::delivery::Reason::Unavailable))
            }
        }
    }

    /// Counts what will ring a phone, before a service is asked for it (security.md E21).
    async fn push_counted(
        &self,
        caller: &Caller,
        factor: &dyn Factor,
    ) -> Result<Option<Reserved>, ChallengeError> {
        if factor.prompt() != Prompt::Approve {
            return Ok(None);
        }
        let (subject, now) = (caller.identity.key.clone(), self.clock.now());
        let reserved = self.store.write(move |mut tx| async move {
            let reserved = sends::reserve_push(&mut tx, &subject, now).await?;
            tx.commit(reserved).await
        });
        Ok(Some(reserved.await?))
    }

    /// Counted and stored first, sent then: a code that arrives can be answered whatever happens here.
    async fn keep_and_send(
        &self,
        caller: &Caller,
        kind: FactorKind,
        question: &Question<'_>,
        started: Started,
        before: Option<StartedRecord>,
        start: &Start,
    ) -> Result<Beginning, ChallengeError> {
        let now = self.clock.now();
        let new = NewStarted {
            question: question.id.to_owned(),
            enrolment: question.enrolment.clone(),
            subject: caller.identity.key.clone(),
            payload: started.payload,
            shows: started.shows,
            onward: start.onward.clone(),
            handle: started.handle,
            at: now,
            expires: now.plus(started.lives),
        };
        let again_at = started.send.as_ref().map(|_| now.plus(RESEND_AFTER));
        let view = StartedView { shows: new.shows.clone(), at: now, again_at, expires_at: new.expires };
        let audit = self.event(caller, "challenge.started").with("factor", kind.name());
        let asked = started.send.as_ref().map(|send| Asked {
            subject: caller.identity.key.clone(),
            channel: send.channel,
            to: send.to.clone(),
            address: caller.address,
        });
        let message = started.send.map(|dispatch| self.message(dispatch, caller, &question.app));
        let call = message.as_ref().and_then(asked::kept);
        let call_token = call.as_ref().map(|(token, _)| token.clone());
        let figures = self.settings.limits.messages;
        let reserved = self.store.write(move |mut tx| async move {
            let counted = match asked {
                Some(asked) => Some(sends::reserve(&mut tx, &figures, &asked, now).await?),
                None => None,
            };
            if matches!(counted, Some(Reserved::Held { .. })) {
                return Ok(counted);
            }
            if new.enrolment.is_some() {
                tx.prolong_challenge(&new.subject, &new.question, new.expires, LONGEST_CHALLENGE)
                    .await?;
            }
            tx.put_started(&new).await?;
            if let Some((token, says)) = call {
                tx.put_call(&token, &says, now.plus(asked::LIFE)).await?;
            }
            tx.audit(audit).await?;
            tx.commit(counted).await
        });
        let (message, counted) = match (message, reserved.await?) {
            (Some(message), Some(Reserved::Counted(id))) => (message, id),
            (_, Some(Reserved::Held { cap, until })) => {
                return Ok(Beginning::NotYet { until, cap });
            }
            _ => return Ok(Beginning::Begun(view)),
        };
        match self.delivery.send(&message).await {
            Ok(_) => Ok(Beginning::Begun(view)),
            Err(not_sent) if not_sent.certain => {
                sends::give_back(&self.store, &counted).await;
                self.undo(caller, question, before, call_token).await?;
                Ok(Beginning::Refused(not_sent.reason))
            }
            Err(_) => self.doubt(caller, question, view).await,
        }
    }

    /// It may be on its way. The code counts if it arrives, and nobody is told that it was sent.
    async fn doubt(
        &self,
        caller: &Caller,
        question: &Question<'_>,
        view: StartedView,
    ) -> Result<Beginning, ChallengeError> {
        let shows = match view.shows {
            Shows::Sent { to, .. } => Shows::Sent { to, doubtful: true },
            other => other,
        };
        let all = self.store.started(&caller.identity.key, question.id).await?;
        if let Some(record) = all.into_iter().find(|one| one.enrolment == question.enrolment) {
            let again = StartedRecord { shows: shows.clone(), ..record }.again(caller.identity.key.clone());
            let stored = self.store.write(move |mut tx| async move {
                tx.put_started(&again).await?;
                tx.commit(()).await
            });
            stored.await?;
        }
        Ok(Beginning::Doubtful(StartedView { shows, ..view }))
    }

    /// Nothing is on its way: what was sent before counts as before, and may be sent again at once.
    async fn undo(
        &self,
        caller: &Caller,
        question: &Question<'_>,
        before: Option<StartedRecord>,
        call: Option<String>,
    ) -> Result<(), ChallengeError> {
        let (subject, id) = (caller.identity.key.clone(), question.id.to_owned());
        let enrolment = question.enrolment.clone();
        let undone = self.store.write(move |mut tx| async move {
            match before {
                Some(before) => tx.put_started(&before.again(subject)).await?,
                None => tx.drop_started(&subject, &id, enrolment.as_ref()).await?,
            }
            if let Some(call) = call {
                tx.drop_call(&call).await?;
            }
            tx.commit(()).await
        });
        Ok(undone.await?)
    }

    fn message(&self, dispatch: Dispatch, caller: &Caller, app: &str) -> Message {
        let Dispatch { channel, to, code, lives } = dispatch;
        let language = caller.language.unwrap_or(match channel {
            Channel::Voice => self.settings.factors.voice.language,
            Channel::Email | Channel::Sms => Language::default(),
        });
        let is_asked_for = channel == Channel::Voice && self.delivery.asks_back(channel);
        Message {
            channel,
            to,
            content: Content::Code(Code {
                code,
                lives: Duration::from_secs(lives.unsigned_abs()),
                app: app.to_owned(),
                brand: self.settings.branding.name.clone(),
                domain: self.settings.server.public_url.host.clone(),
                call: is_asked_for.then(random_token),
            }),
            language,
            id: random_token(),
        }
    }

    /// Whether every missing level lets a service that is away be done without: none asks for a proof
    /// of this very moment, or for properties, which nobody has shown.
    fn may_be_waived(&self, levels: &[String]) -> bool {
        let all = &self.settings.levels;
        !levels.is_empty()
            && levels.iter().all(|name| {
                let level = all.iter().find(|level| level.name == *name);
                level.is_some_and(|level| {
                    level.valid_for != Some(Duration::ZERO) && level.properties.is_empty()
                })
            })
    }

    /// The operator does without a service that is away: a proof without properties, told as such.
    async fn waive(&self, caller: &Caller, question: &Question<'_>) -> Result<Beginning, ChallengeError> {
        let enrolment = question.enrolment.as_ref().filter(|_| self.may_be_waived(&question.levels));
        let Some(enrolment) = enrolment else {
            // Nothing is enrolled or changed on the word of nobody.
            return Ok(Beginning::Refused(crate::delivery::Reason::Unavailable));
        };
        tracing::warn!(person = %caller.identity.key, "a challenge goes without a service that is away");
        let right = Right {
            properties: crate::config::Properties::EMPTY,
            ..Right::once_more(&question.material)
        };
        let attempt = Attempt {
            caller: caller.clone(),
            target: Target::Challenge { id: question.id.to_owned(), enrolment: enrolment.clone() },
            answer: Answer::Ask,
            given: Some(Given {
                verdict: Ok(Verdict::Right(right)),
                of: Some(enrolment.clone()),
                counted: None,
                waived: true,
            }),
            factors: std::sync::Arc::clone(&self.factors),
            settings: std::sync::Arc::clone(&self.settings),
            teller: self.teller(),
            now: self.clock.now(),
        };
        let outcome = self.settled(attempt).await?;
        Ok(outcome.map_or(Beginning::Expired, Beginning::Waived))
    }
}

//! The one function that judges an answer: what was answered before, then the lock, then the
//! comparison, then everything that follows from it (`verdicts.rs`), in one write transaction that is durable
//! before anybody is told (security.md E05, E07, E09, E17). No other code compares a factor.
//!
//! Where a service judges, the answer is counted as wrong in one transaction, the service is asked,
//! and what it said is settled in a second one, which takes the count back unless it was wrong.

use std::sync::Arc;

use super::limits::Figures;
use super::notice::Teller;
use super::target::{Candidate, Counted, Found, Inquiry, Judged, Question, find};
use super::verdicts::{asked_again, over, passed, silent, unavailable, unfit, wrong};
use super::view::{Caller, Locked, Outcome};
use crate::ambient::UnixTime;
use crate::config::{FactorKind, Settings};
use crate::factors::{self, Answer, Factors, Right, Unavailable, Verdict};
use crate::policy::EnrolmentId;
use crate::store::{AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, StoreError, Tx};

/// What an answer is for.
#[derive(Clone)]
pub(super) enum Target {
    Challenge {
        id: String,
        enrolment: EnrolmentId,
    },
    /// One request of a client that has no challenge: any own enrolment of the kind will do.
    Inline {
        factor: FactorKind,
    },
    /// A pending enrolment; `name` replaces the one it has.
    Enrolment {
        id: String,
        name: Option<String>,
    },
}

impl Target {
    /// The question that something may have been begun for.
    pub(super) fn question(&self) -> Option<&str> {
        match self {
            Self::Challenge { id, .. } | Self::Enrolment { id, .. } => Some(id),
            Self::Inline { .. } => None,
        }
    }
}

/// What a service said of an answer, or a challenge that goes without it.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) verdict: Result<Verdict, Unavailable>,
    /// Which of the candidates it is about.
    pub(super) of: Option<EnrolmentId>,
    /// How the answer has been counted as wrong already.
    pub(super) counted: Option<Counted>,
    /// Nobody judged: the operator does without a service that is away.
    pub(super) waived: bool,
}

/// One answer of one person.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) caller: Caller,
    pub(super) target: Target,
    pub(super) answer: Answer,
    /// What a service said; `None` before it has been asked.
    pub(super) given: Option<Given>,
    pub(super) factors: Arc<Factors>,
    pub(super) settings: Arc<Settings>,
    pub(super) teller: Teller,
    pub(super) now: UnixTime,
}

/// Where the attempt counts.
pub(super) struct Count {
    pub(super) key: CounterKey,
    pub(super) record: CounterRecord,
    pub(super) figures: Figures,
}

/// Judges one answer and writes all that follows from it.
pub(super) async fn attempt(mut tx: Tx, attempt: Attempt) -> Result<Judged, StoreError> {
    let found = find(&mut tx, &attempt).await?;
    if let Found::Ended(judged) = found {
        return Ok(judged);
    }
    if tx.is_stopped(&attempt.caller.identity.key).await? {
        return Ok(Judged::Outcome(Outcome::Locked(Locked::Stopped)));
    }
    let count = attempt.count(&mut tx).await?;
    // What was counted before it was judged may be what locked.
    let counted = attempt.counted().is_some();
    if let Some(locked) = count.figures.lock(&count.record, attempt.now).filter(|_| !counted) {
        tx.lock_challenges(&attempt.caller.identity.key, &attempt.caller.identity.binding)
            .await?;
        return tx.commit(Judged::Outcome(Outcome::Locked(locked))).await;
    }
    let Found::Question(question) = found else {
        return Ok(Judged::Outcome(Outcome::Expired));
    };
    let (verdict, hit) = match &attempt.given {
        Some(given) => (given.verdict.clone(), question.candidate(given.of.as_ref())),
        None if question.is_remote(&attempt.factors) => {
            return ask_first(tx, &attempt, question, count).await;
        }
        None => {
            let (verdict, hit) = best(&attempt, &question);
            (Ok(verdict), hit)
        }
    };
    match (verdict, hit) {
        (Ok(Verdict::Right(right)), Some(hit)) => passed(tx, &attempt, &question, hit, right, &count).await,
        (Ok(Verdict::Silent(why)), _) => silent(tx, &attempt, &question, &why).await,
        (Ok(Verdict::Waiting), _) => Ok(Judged::Outcome(Outcome::Waiting)),
        (Ok(verdict @ (Verdict::Lapsed | Verdict::Barred)), _) => {
            over(tx, &attempt, &question, &verdict).await
        }
        (Ok(Verdict::Again(started)), Some(hit)) => {
            asked_again(tx, &attempt, &question, hit, &started, count).await
        }
        (Ok(Verdict::Unfit), _) => unfit(tx, &attempt, &question).await,
        (Ok(verdict), hit) => wrong(tx, &attempt, &question, &count, (&verdict, hit)).await,
        (Err(error), _) => unavailable(tx, &attempt, &question, count, &error).await,
    }
}

impl Question {
    fn candidate(&self, of: Option<&EnrolmentId>) -> Option<&Candidate> {
        self.candidates.iter().find(|one| one.enrolment.as_ref() == of)
    }

    /// Whether this answers what a service asked after an earlier answer.
    fn was_asked_besides(&self, factors: &Factors) -> bool {
        let begun = self.candidates.iter().any(|one| one.begun.is_some());
        let starts = factors.get(self.kind).map(factors::Factor::starts);
        begun && self.is_remote(factors) && starts == Some(factors::Starts::Never)
    }

    fn is_remote(&self, factors: &Factors) -> bool {
        !self.saved && factors.get(self.kind).is_some_and(factors::Factor::is_remote)
    }
}

/// Compares with every candidate, whichever is right: how long it takes says nothing.
fn best<'q>(attempt: &Attempt, question: &'q Question) -> (Verdict, Option<&'q Candidate>) {
    let Some(factor) = attempt.factors.get(question.kind) else {
        return (Verdict::Wrong, None);
    };
    let mut best = (Verdict::Wrong, None);
    for candidate in &question.candidates {
        let against = factors::Question {
            material: &candidate.material,
            begun: candidate.begun.as_ref(),
            now: attempt.now,
        };
        let verdict = if question.saved {
            Verdict::Right(Right::at(candidate.material.state, &candidate.material))
        } else {
            factor.check(&against, &question.answer)
        };
        match verdict {
            Verdict::Right(_) => best = (verdict, Some(candidate)),
            Verdict::Wrong => {}
            _ if matches!(best.0, Verdict::Wrong) => best = (verdict, Some(candidate)),
            _ => {}
        }
    }
    best
}

/// Counts a guess as wrong, durably, before a service is asked about it.
async fn ask_first(
    mut tx: Tx,
    attempt: &Attempt,
    question: Question,
    count: Count,
) -> Result<Judged, StoreError> {
    let counted = attempt.answer.is_guess().then(|| Counted {
        before: count.record,
        after: count.figures.after_wrong_by(question.kind, &count.record, attempt.now),
    });
    if let Some(counted) = &counted {
        tx.set_counter(&count.key, counted.after).await?;
    }
    let Question { kind, answer, candidates, .. } = question;
    tx.commit(Judged::Ask(Box::new(Inquiry { kind, answer, candidates, counted })))
        .await
}

impl Count {
    /// The count without what was counted before anybody judged.
    pub(super) fn taken_back(&self, attempt: &Attempt) -> CounterRecord {
        match attempt.counted() {
            None => self.record,
            Some(counted) if self.record == counted.after => counted.before,
            Some(_) => self.figures.taken_back(&self.record),
        }
    }

    pub(super) async fn set(&self, tx: &mut Tx, next: CounterRecord) -> Result<(), StoreError> {
        if next != self.record {
            tx.set_counter(&self.key, next).await?;
        }
        Ok(())
    }
}

impl Attempt {
    /// How it was counted before it was judged, if it was.
    pub(super) fn counted(&self) -> Option<Counted> {
        self.given.as_ref()?.counted
    }

    /// Whether this goes without anybody's judgement.
    pub(super) fn is_waived(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.waived)
    }

    /// A ceremony, and an answer of another site, is good for one look. So is what a service asked
    /// besides: its no ends that exchange (RFC 2865 4.4).
    pub(super) async fn drop_begun(&self, tx: &mut Tx, question: &Question) -> Result<(), StoreError> {
        let once = !matches!(self.answer, Answer::Code(_)) || question.was_asked_besides(&self.factors);
        if let (Some(id), true) = (self.target.question(), once) {
            let only = question.candidates.first().and_then(|one| one.enrolment.as_ref());
            tx.drop_started(&self.caller.identity.key, id, only).await?;
        }
        Ok(())
    }

    async fn count(&self, tx: &mut Tx) -> Result<Count, StoreError> {
        let subject = self.caller.identity.key.clone();
        let lane = match &self.caller.browser {
            Some(token) if tx.is_known_browser(&subject, token).await? => Lane::Known,
            _ => Lane::Other,
        };
        let key = CounterKey { subject, kind: CounterKind::Factor, lane };
        let record = tx.counter(&key).await?;
        Ok(Count { key, record, figures: Figures::of(&self.settings.limits) })
    }

    pub(super) fn event(&self, result: &str, question: &Question) -> AuditEvent {
        let what = match self.target {
            Target::Challenge { .. } => "challenge.answered",
            Target::Inline { .. } => "code.answered",
            Target::Enrolment { .. } => "enrolment.confirmed",
        };
        let event = AuditEvent::new(self.now, what, result)
            .who(self.caller.identity.key.as_str())
            .from(self.caller.address)
            .with("factor", question.kind.name())
            .with("agent", &*self.caller.agent);
        match &question.app {
            Some(app) => event.route(app),
            None => event,
        }
    }
}

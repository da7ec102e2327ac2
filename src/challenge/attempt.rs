//! The one function that judges an answer: what was answered before, then the lock, then the
//! comparison, then everything that follows from it, in one write transaction that is durable
//! before anybody is told (security.md E05, E07, E09, E17). No other code compares a factor.
//!
//! Where a service judges, the answer is counted as wrong in one transaction, the service is asked,
//! and what it said is settled in a second one, which takes the count back unless it was wrong.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::limits::Figures;
use super::notice::{Prepared, Teller};
use super::sends;
use super::settle::settle;
use super::target::{Candidate, Counted, Found, Inquiry, Judged, Question, find};
use super::view::{Caller, Locked, Outcome};
use crate::ambient::UnixTime;
use crate::config::{FactorKind, Settings};
use crate::factors::{self, Answer, Factors, Right, Started, Unavailable, Verdict};
use crate::policy::{EnrolmentId, Proof};
use crate::store::{AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, NewStarted, StoreError, Tx};

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
    figures: Figures,
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

async fn passed(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    hit: &Candidate,
    right: Right,
    count: &Count,
) -> Result<Judged, StoreError> {
    let subject = &attempt.caller.identity.key;
    let (state, properties) = (right.state, right.properties.union(question.kind.always()));
    let enrolment = match settle(&mut tx, attempt, question, hit, right).await? {
        Ok(enrolment) => enrolment,
        // Nothing was committed: the answer did not count.
        Err(outcome) => return Ok(Judged::Outcome(outcome)),
    };
    let left = attempt.factors.get(question.kind).and_then(|factor| factor.left(state));
    let told = attempt.notice(&mut tx, question.kind, &enrolment, left).await?;
    let waived = attempt.is_waived();
    let event = attempt.event(if waived { "waived" } else { "passed" }, question);
    let event = event.with("enrolment", &*enrolment.0);
    let proof = Proof { properties, waived, ..Proof::new(question.kind, enrolment, attempt.now) };
    let proof = (!question.saved).then_some(proof);
    let ended = match (&attempt.target, &proof) {
        (Target::Challenge { id, .. }, Some(proof)) => {
            tx.pass_challenge(subject, id, &question.mac, proof).await?
        }
        (Target::Enrolment { id, .. }, proof) => {
            tx.confirm_pending(subject, id, &question.mac, proof.as_ref()).await?
        }
        (Target::Inline { .. }, Some(_)) => true,
        (Target::Challenge { .. } | Target::Inline { .. }, None) => false,
    };
    if !ended {
        return Ok(Judged::Outcome(Outcome::Expired));
    }
    if let Some(id) = attempt.target.question() {
        tx.drop_started(subject, id, None).await?;
    }
    tx.audit(event).await?;
    let Some(proof) = proof else {
        return tell(tx.commit(Judged::Outcome(Outcome::Saved)).await, told);
    };
    if waived {
        // Nobody has shown anything: no browser becomes known, and no count is forgiven.
        return tx
            .commit(Judged::Outcome(Outcome::Passed { proof, browser: None, recovery_codes_left: None }))
            .await;
    }
    let browser = remember(&mut tx, attempt, question, count).await?;
    let used_in = browser.as_deref().or(attempt.caller.browser.as_deref());
    tx.note_use(subject, &proof.enrolment, attempt.now, &attempt.caller.agent, used_in)
        .await?;
    if let Some(factor) = attempt.factors.get(question.kind) {
        sends::answered(&mut tx, subject, factor, &hit.material, attempt.now).await?;
    }
    forgive(&mut tx, attempt, question.kind, count).await?;
    let outcome = Outcome::Passed { proof, browser, recovery_codes_left: left };
    tell(tx.commit(Judged::Outcome(outcome)).await, told)
}

/// What is durable may be told.
fn tell(committed: Result<Judged, StoreError>, told: Option<Prepared>) -> Result<Judged, StoreError> {
    if let (Ok(_), Some(told)) = (&committed, told) {
        told.tell();
    }
    committed
}

/// A right answer ends the row of wrong ones by its kind. A new enrolment shows nothing about the old
/// ones: it only takes back what was counted for itself.
async fn forgive(tx: &mut Tx, attempt: &Attempt, kind: FactorKind, count: &Count) -> Result<(), StoreError> {
    let back = count.taken_back(attempt);
    let next = match attempt.target {
        Target::Enrolment { .. } => back,
        Target::Challenge { .. } | Target::Inline { .. } => Figures::after_right_by(kind, &back, attempt.now),
    };
    count.set(tx, next).await
}

impl Count {
    /// The count without what was counted before anybody judged.
    fn taken_back(&self, attempt: &Attempt) -> CounterRecord {
        match attempt.counted() {
            None => self.record,
            Some(counted) if self.record == counted.after => counted.before,
            Some(_) => self.figures.taken_back(&self.record),
        }
    }

    async fn set(&self, tx: &mut Tx, next: CounterRecord) -> Result<(), StoreError> {
        if next != self.record {
            tx.set_counter(&self.key, next).await?;
        }
        Ok(())
    }
}

/// The service asks something more: what it began is kept for the next answer. What was counted stays
/// so until a right answer follows, or asking would be free for whoever guesses (or has it send
/// messages).
async fn asked_again(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    hit: &Candidate,
    started: &Started,
    count: Count,
) -> Result<Judged, StoreError> {
    let Some(id) = attempt.target.question() else {
        // A client without a challenge cannot be asked twice.
        return wrong(tx, attempt, question, &count, (&Verdict::Wrong, None)).await;
    };
    let subject = &attempt.caller.identity.key;
    let before = tx.started(subject, id, hit.enrolment.as_ref()).await?;
    let new = NewStarted {
        question: id.to_owned(),
        enrolment: hit.enrolment.clone(),
        subject: subject.clone(),
        payload: started.payload.clone(),
        shows: started.shows.clone(),
        onward: before.map(|before| before.onward).unwrap_or_default(),
        handle: started.handle.clone(),
        at: attempt.now,
        expires: attempt.now.plus(started.lives),
    };
    tx.put_started(&new).await?;
    // It stays counted, which bounds how often it can be asked; the wait that it may have begun is not
    // for those who are half through.
    let limit = i64::from(attempt.settings.limits.wrong_answers);
    let first_over = |counted: &Counted| counted.after == count.record && counted.before.in_window < limit;
    if let Some(counted) = attempt.counted().filter(first_over) {
        let Counted { before, .. } = counted;
        let record = CounterRecord { locked_until: before.locked_until, waits: before.waits, ..count.record };
        tx.set_counter(&count.key, record).await?;
    }
    tx.audit(attempt.event("asked_again", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Again)).await
}

/// The service has ended what was begun, and nobody has said no. What was counted before it was asked
/// stays so: a guess that it did not look at is still one.
async fn over(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    verdict: &Verdict,
) -> Result<Judged, StoreError> {
    let (result, outcome) = match verdict {
        Verdict::Lapsed => ("lapsed", Outcome::Lapsed),
        _ => ("barred", Outcome::Barred),
    };
    attempt.drop_begun(&mut tx, question).await?;
    sends::declined(&mut tx, &attempt.caller.identity.key, &attempt.answer, verdict, attempt.now).await?;
    tx.audit(attempt.event(result, question)).await?;
    tx.commit(Judged::Outcome(outcome)).await
}

/// The service was asked and did not answer. It may have judged, so it stays counted: else whoever can
/// hold its answers back could guess without end.
async fn silent(mut tx: Tx, attempt: &Attempt, question: &Question, why: &str) -> Result<Judged, StoreError> {
    tracing::warn!(factor = question.kind.name(), %why, "the service that judges was asked and is silent");
    tx.audit(attempt.event("unavailable", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Unavailable)).await
}

/// Nothing was guessed: somebody holds what the operator does not accept.
async fn unfit(mut tx: Tx, attempt: &Attempt, question: &Question) -> Result<Judged, StoreError> {
    tx.audit(attempt.event("unfit", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Unfit)).await
}

/// Nobody could judge it: nothing is counted, and nothing passes.
async fn unavailable(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    count: Count,
    error: &Unavailable,
) -> Result<Judged, StoreError> {
    tracing::warn!(factor = question.kind.name(), %error, "the service that judges did not answer");
    count.set(&mut tx, count.taken_back(attempt)).await?;
    tx.audit(attempt.event("unavailable", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Unavailable)).await
}

/// Makes the browser a known one. A client without a challenge has none.
async fn remember(
    tx: &mut Tx,
    attempt: &Attempt,
    question: &Question,
    count: &Count,
) -> Result<Option<String>, StoreError> {
    let subject = &attempt.caller.identity.key;
    if matches!(attempt.target, Target::Inline { .. }) {
        return Ok(None);
    }
    if let (Lane::Known, Some(token)) = (count.key.lane, &attempt.caller.browser) {
        tx.remember_browser(subject, token, attempt.now).await?;
        return Ok(None);
    }
    let token = browser_token(tx, &question.mac);
    tx.remember_browser(subject, &token, attempt.now).await?;
    Ok(Some(token))
}

/// The fresh token follows from the answer under a key of ours: a double submit gets the same one
/// again, and the store need not keep it in clear.
pub(super) fn browser_token(tx: &Tx, answer_mac: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(tx.ring().mac("browser", &[answer_mac]))
}

/// What the audit log calls an answer that did not pass.
const fn result_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Used => "used",
        Verdict::Cloned => "cloned",
        Verdict::Denied => "denied",
        Verdict::Fraud => "fraud",
        _ => "wrong",
    }
}

async fn wrong(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    count: &Count,
    (verdict, hit): (&Verdict, Option<&Candidate>),
) -> Result<Judged, StoreError> {
    let next = if attempt.counted().is_some() {
        count.record
    } else {
        let next = count.figures.after_wrong_by(question.kind, &count.record, attempt.now);
        tx.set_counter(&count.key, next).await?;
        next
    };
    let event = attempt.event(result_of(verdict), question);
    tx.audit(match hit.and_then(|hit| hit.enrolment.as_ref()) {
        Some(enrolment) => event.with("enrolment", &*enrolment.0),
        None => event,
    })
    .await?;
    attempt.drop_begun(&mut tx, question).await?;
    sends::declined(&mut tx, &attempt.caller.identity.key, &attempt.answer, verdict, attempt.now).await?;
    let locked = count.figures.lock(&next, attempt.now);
    let attempts_left = count.figures.attempts_left(&next, attempt.now);
    if locked.is_some() {
        tx.lock_challenges(&attempt.caller.identity.key, &attempt.caller.identity.binding)
            .await?;
        let event = AuditEvent::new(attempt.now, "person.locked", "locked")
            .who(attempt.caller.identity.key.as_str())
            .from(attempt.caller.address)
            .with("wrong_in_a_row", next.in_a_row.to_string());
        tx.audit(event).await?;
    }
    let hit = hit.and_then(|hit| hit.enrolment.as_ref());
    let locks = locked.is_some() && (next.waits == 1 || locked == Some(Locked::Hard));
    let told = attempt.wrong_notice(&mut tx, verdict, hit, locks).await?;
    let outcome = Judged::Outcome(match (locked, verdict) {
        (Some(locked), _) => Outcome::Locked(locked),
        (None, Verdict::Used) => Outcome::Used { attempts_left },
        (None, Verdict::Cloned) => Outcome::Cloned { attempts_left },
        (None, Verdict::Denied) => Outcome::Denied { fraud: false, attempts_left },
        (None, Verdict::Fraud) => Outcome::Denied { fraud: true, attempts_left },
        (None, _) => Outcome::Wrong { attempts_left },
    });
    tell(tx.commit(outcome).await, told)
}

impl Attempt {
    /// How it was counted before it was judged, if it was.
    fn counted(&self) -> Option<Counted> {
        self.given.as_ref()?.counted
    }

    /// Whether this goes without anybody's judgement.
    pub(super) fn is_waived(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.waived)
    }

    /// A ceremony, and an answer of another site, is good for one look. So is what a service asked
    /// besides: its no ends that exchange (RFC 2865 4.4).
    async fn drop_begun(&self, tx: &mut Tx, question: &Question) -> Result<(), StoreError> {
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

    fn event(&self, result: &str, question: &Question) -> AuditEvent {
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

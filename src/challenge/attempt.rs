//! The one function that judges an answer: what was answered before, then the lock, then the
//! comparison, then everything that follows from it, in one write transaction that is durable
//! before anybody is told (security.md E05, E07, E09, E17). No other code compares a factor.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::limits::Figures;
use super::target::{Candidate, Found, Judged, Question, find};
use super::view::{Caller, Outcome};
use crate::ambient::UnixTime;
use crate::config::{FactorKind, Settings};
use crate::factors::{Answer, Factors, Verdict};
use crate::policy::{EnrolmentId, Proof};
use crate::store::{AuditEvent, CounterKey, CounterKind, CounterRecord, Lane, NewEnrolment, StoreError, Tx};

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

/// One answer of one person.
pub(super) struct Attempt {
    pub(super) caller: Caller,
    pub(super) target: Target,
    pub(super) answer: Answer,
    pub(super) factors: Arc<Factors>,
    pub(super) settings: Arc<Settings>,
    pub(super) now: UnixTime,
}

/// Where the attempt counts.
struct Count {
    key: CounterKey,
    record: CounterRecord,
}

/// Judges one answer and writes all that follows from it.
pub(super) async fn attempt(mut tx: Tx, attempt: Attempt) -> Result<Judged, StoreError> {
    let found = find(&mut tx, &attempt).await?;
    if let Found::Ended(judged) = found {
        return Ok(judged);
    }
    let figures = Figures::of(&attempt.settings.limits);
    let count = attempt.count(&mut tx).await?;
    if let Some(locked) = figures.lock(&count.record, attempt.now) {
        tx.lock_challenges(&attempt.caller.identity.key, &attempt.caller.identity.binding)
            .await?;
        return tx.commit(Judged::Outcome(Outcome::Locked(locked))).await;
    }
    let Found::Question(question) = found else {
        return Ok(Judged::Outcome(Outcome::Expired));
    };
    match best(&attempt, &question) {
        (Verdict::Right { state }, Some(hit)) => passed(tx, &attempt, &question, hit, state, &count).await,
        (Verdict::Used, _) => wrong(tx, &attempt, &question, &count, figures, true).await,
        _ => wrong(tx, &attempt, &question, &count, figures, false).await,
    }
}

/// Compares with every candidate, whichever is right: how long it takes says nothing.
fn best<'q>(attempt: &Attempt, question: &'q Question) -> (Verdict, Option<&'q Candidate>) {
    let Some(factor) = attempt.factors.get(question.kind) else {
        return (Verdict::Wrong, None);
    };
    let mut best = (Verdict::Wrong, None);
    for candidate in &question.candidates {
        let verdict = if question.saved {
            Verdict::Right { state: candidate.material.state }
        } else {
            factor.check(&candidate.material, &question.answer, attempt.now)
        };
        match verdict {
            Verdict::Right { .. } => best = (verdict, Some(candidate)),
            Verdict::Used if best.0 == Verdict::Wrong => best = (verdict, Some(candidate)),
            _ => {}
        }
    }
    best
}

async fn passed(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    hit: &Candidate,
    state: i64,
    count: &Count,
) -> Result<Judged, StoreError> {
    let subject = &attempt.caller.identity.key;
    let Some(enrolment) = settle(&mut tx, attempt, question, hit, state).await? else {
        return Ok(Judged::Outcome(Outcome::Expired));
    };
    let proof = Proof::new(question.kind, enrolment, attempt.now);
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
        // Nothing was committed: the answer did not count.
        return Ok(Judged::Outcome(Outcome::Expired));
    }
    tx.audit(attempt.event("passed", question)).await?;
    let Some(proof) = proof else {
        return tx.commit(Judged::Outcome(Outcome::Saved)).await;
    };
    let browser = remember(&mut tx, attempt, question, count).await?;
    let used_in = browser.as_deref().or(attempt.caller.browser.as_deref());
    tx.note_use(subject, &proof.enrolment, attempt.now, &attempt.caller.agent, used_in)
        .await?;
    if !matches!(attempt.target, Target::Enrolment { .. }) && count.record != CounterRecord::default() {
        tx.set_counter(&count.key, CounterRecord::default()).await?;
    }
    let left = attempt.factors.get(question.kind).and_then(|factor| factor.left(state));
    tx.commit(Judged::Outcome(Outcome::Passed { proof, browser, recovery_codes_left: left }))
        .await
}

/// Moves the state of the enrolment that was right, or makes the enrolment that was pending.
/// `None`: somebody else's answer counted first.
async fn settle(
    tx: &mut Tx,
    attempt: &Attempt,
    question: &Question,
    hit: &Candidate,
    state: i64,
) -> Result<Option<EnrolmentId>, StoreError> {
    let subject = &attempt.caller.identity.key;
    if let Some(id) = &hit.enrolment {
        let moved = tx.advance(subject, id, hit.material.state, state).await?;
        return Ok(moved.then(|| id.clone()));
    }
    for old in &question.replaced {
        tx.remove_enrolment(subject, old, attempt.now).await?;
    }
    let mut material = hit.material.clone();
    material.state = state;
    let enrolment = NewEnrolment { factor: question.kind, name: question.name.clone(), material };
    tx.insert_enrolment(subject, &enrolment, attempt.now).await.map(Some)
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

async fn wrong(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    count: &Count,
    figures: Figures,
    used: bool,
) -> Result<Judged, StoreError> {
    let next = figures.after_wrong(&count.record, attempt.now);
    tx.set_counter(&count.key, next).await?;
    tx.audit(attempt.event(if used { "used" } else { "wrong" }, question)).await?;
    let locked = figures.lock(&next, attempt.now);
    let attempts_left = figures.attempts_left(&next, attempt.now);
    if locked.is_some() {
        tx.lock_challenges(&attempt.caller.identity.key, &attempt.caller.identity.binding)
            .await?;
        let event = AuditEvent::new(attempt.now, "person.locked", "locked")
            .who(attempt.caller.identity.key.as_str())
            .from(attempt.caller.address)
            .with("wrong_in_a_row", next.in_a_row.to_string());
        tx.audit(event).await?;
    }
    tx.commit(Judged::Outcome(match locked {
        Some(locked) => Outcome::Locked(locked),
        None if used => Outcome::Used { attempts_left },
        None => Outcome::Wrong { attempts_left },
    }))
    .await
}

impl Attempt {
    async fn count(&self, tx: &mut Tx) -> Result<Count, StoreError> {
        let subject = self.caller.identity.key.clone();
        let lane = match &self.caller.browser {
            Some(token) if tx.is_known_browser(&subject, token).await? => Lane::Known,
            _ => Lane::Other,
        };
        let key = CounterKey { subject, kind: CounterKind::Factor, lane };
        let record = tx.counter(&key).await?;
        Ok(Count { key, record })
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

//! What follows from a verdict on an answer, all of it in the transaction that the verdict was made in:
//! the proof or the count, the audit record, and what the person is told once it is durable.
//!
//! Judges nothing: `attempt.rs` does, and is the only one that calls this.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::attempt::{Attempt, Count, Target};
use super::limits::Figures;
use super::notice::Prepared;
use super::sends;
use super::settle::settle;
use super::target::{Candidate, Counted, Judged, Question};
use super::view::{Locked, Outcome};
use crate::config::FactorKind;
use crate::factors::{Right, Started, Unavailable, Verdict};
use crate::policy::Proof;
use crate::store::{AuditEvent, CounterRecord, Lane, NewStarted, StoreError, Tx};

pub(super) async fn passed(
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

/// The service asks something more: what it began is kept for the next answer. What was counted stays
/// so until a right answer follows, or asking would be free for whoever guesses (or has it send
/// messages).
pub(super) async fn asked_again(
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
pub(super) async fn over(
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
pub(super) async fn silent(
    mut tx: Tx,
    attempt: &Attempt,
    question: &Question,
    why: &str,
) -> Result<Judged, StoreError> {
    tracing::warn!(factor = question.kind.name(), %why, "the service that judges was asked and is silent");
    tx.audit(attempt.event("unavailable", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Unavailable)).await
}

/// Nothing was guessed: somebody holds what the operator does not accept.
pub(super) async fn unfit(mut tx: Tx, attempt: &Attempt, question: &Question) -> Result<Judged, StoreError> {
    tx.audit(attempt.event("unfit", question)).await?;
    tx.commit(Judged::Outcome(Outcome::Unfit)).await
}

/// Nobody could judge it: nothing is counted, and nothing passes.
pub(super) async fn unavailable(
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

pub(super) async fn wrong(
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

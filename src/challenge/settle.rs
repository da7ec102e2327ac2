//! What a right answer changes: the state of the enrolment it was given with, or the enrolment that
//! it confirms. It judges nothing.

use super::attempt::Attempt;
use super::enrol::free_name;
use super::target::{Candidate, Question};
use super::view::Outcome;
use crate::factors::{Material, Right};
use crate::policy::EnrolmentId;
use crate::store::{NewEnrolment, StoreError, Tx};

/// Moves the state of the enrolment that was right, or makes the enrolment that was pending.
/// `Err`: the answer does not count after all, and nothing may be committed.
pub(super) async fn settle(
    tx: &mut Tx,
    attempt: &Attempt,
    question: &Question,
    hit: &Candidate,
    right: Right,
) -> Result<Result<EnrolmentId, Outcome>, StoreError> {
    let subject = &attempt.caller.identity.key;
    let Some(id) = &hit.enrolment else {
        let material = right.material.unwrap_or_else(|| hit.material.clone());
        return confirm(tx, attempt, question, Material { state: right.state, ..material }).await;
    };
    if !tx.advance(subject, id, hit.material.state, right.state).await? {
        // Somebody else's answer counted first.
        return Ok(Err(Outcome::Expired));
    }
    if let Some(material) = &right.material {
        tx.replace_material(subject, id, material).await?;
    }
    Ok(Ok(id.clone()))
}

/// Makes the enrolment that was pending.
async fn confirm(
    tx: &mut Tx,
    attempt: &Attempt,
    question: &Question,
    material: Material,
) -> Result<Result<EnrolmentId, Outcome>, StoreError> {
    let subject = &attempt.caller.identity.key;
    let Some(factor) = attempt.factors.get(question.kind) else {
        return Ok(Err(Outcome::Expired));
    };
    if let Some(handle) = &material.about.handle
        && let Some((_, holder)) = tx.holder(handle).await?
        && !question.replaced.contains(&holder)
    {
        return Ok(Err(Outcome::Taken));
    }
    for old in &question.replaced {
        tx.remove_enrolment(subject, old, attempt.now).await?;
    }
    let name = question
        .name
        .clone()
        .unwrap_or_else(|| free_name(factor, &material, &attempt.caller.agent, &question.enrolled));
    let enrolment = NewEnrolment { factor: question.kind, name, material };
    tx.insert_enrolment(subject, &enrolment, attempt.now).await.map(Ok)
}

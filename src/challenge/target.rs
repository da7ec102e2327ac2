//! What an answer is for: finds the challenge, the pending enrolment or the enrolments it is to be
//! compared with, and the outcome an earlier equal answer had. It compares no factor.

use secrecy::{ExposeSecret as _, SecretSlice};
use subtle::ConstantTimeEq as _;

use super::attempt::{Attempt, Target};
use super::enrol::MAX_ENROLMENTS;
use super::permission;
use super::verdicts::browser_token;
use super::view::{Change, ChangePermission, Outcome, Purpose};
use super::ways::is_overshadowed;
use crate::config::FactorKind;
use crate::factors::{Answer, Confirmation, Factor, Material, NormalForm, SAVED, Starts};
use crate::policy::{Accepted, EnrolmentId, Proof};
use crate::store::{ChallengeRecord, CounterRecord, EnrolmentRecord, Stage, StoreError, Tx};

/// What became of an attempt.
pub(super) enum Judged {
    Outcome(Outcome),
    /// No such challenge, enrolment or way, or not this person's.
    Unknown,
    NotPermitted(ChangePermission),
    TooMany,
    /// A service has to judge it. It is counted as wrong already, if it can be a guess.
    Ask(Box<Inquiry>),
}

/// What a service is to judge.
pub(super) struct Inquiry {
    pub(super) kind: FactorKind,
    pub(super) answer: NormalForm,
    pub(super) candidates: Vec<Candidate>,
    /// How it was counted as wrong already.
    pub(super) counted: Option<Counted>,
}

/// An answer that was counted as wrong before it was judged: the count before and after.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) before: CounterRecord,
    pub(super) after: CounterRecord,
}

/// What was found for an answer.
pub(super) enum Found {
    /// It needs no judging.
    Ended(Judged),
    /// A lock has ended the challenge.
    Blocked,
    Question(Question),
}

/// An answer, ready to be compared.
pub(super) struct Question {
    pub(super) kind: FactorKind,
    pub(super) answer: NormalForm,
    /// Keyed hash of what was asked and answered: recognises the same answer posted again.
    pub(super) mac: [u8; 32],
    pub(super) candidates: Vec<Candidate>,
    /// Confirmed by saying so: nothing is compared and nothing is proved.
    pub(super) saved: bool,
    /// Name that the person gave a new enrolment, and those there are of theirs.
    pub(super) name: Option<String>,
    pub(super) enrolled: Vec<EnrolmentRecord>,
    /// The older ones it takes the place of.
    pub(super) replaced: Vec<EnrolmentId>,
    pub(super) app: Option<String>,
}

/// One secret that the answer may be right for.
pub(super) struct Candidate {
    /// `None`: still pending.
    pub(super) enrolment: Option<EnrolmentId>,
    pub(super) material: Material,
    /// What was begun for this question.
    pub(super) begun: Option<SecretSlice<u8>>,
}

impl Question {
    /// A plain question: compare, then prove.
    fn new(kind: FactorKind, answer: NormalForm, mac: [u8; 32], candidates: Vec<Candidate>) -> Self {
        let (enrolled, replaced) = (Vec::new(), Vec::new());
        Self {
            kind,
            answer,
            mac,
            candidates,
            saved: false,
            name: None,
            enrolled,
            replaced,
            app: None,
        }
    }
}

const UNKNOWN: Found = Found::Ended(Judged::Unknown);

fn ended(outcome: Outcome) -> Found {
    Found::Ended(Judged::Outcome(outcome))
}

pub(super) async fn find(tx: &mut Tx, attempt: &Attempt) -> Result<Found, StoreError> {
    match &attempt.target {
        Target::Challenge { id, enrolment } => find_challenge(tx, attempt, id, enrolment).await,
        Target::Inline { factor } => find_inline(tx, attempt, *factor).await,
        Target::Enrolment { id, name } => find_pending(tx, attempt, id, name.as_deref()).await,
    }
}

async fn find_challenge(
    tx: &mut Tx,
    attempt: &Attempt,
    id: &str,
    enrolment: &EnrolmentId,
) -> Result<Found, StoreError> {
    let identity = &attempt.caller.identity;
    let Some(challenge) = tx.challenge(&identity.key, &identity.binding, id).await? else {
        return Ok(UNKNOWN);
    };
    let enrolled = tx.enrolments(&identity.key).await?;
    let Some(one) = enrolled.iter().find(|one| one.id == *enrolment) else {
        return Ok(UNKNOWN);
    };
    let Some(factor) = attempt
        .factors
        .get(one.factor)
        .filter(|_| challenge.accepted.contains(one.factor, one.properties()))
        .filter(|factor| !is_overshadowed(*factor, &enrolled, &attempt.factors, &challenge.accepted))
    else {
        return Ok(UNKNOWN);
    };
    let one = one.clone();
    if challenge.expires <= attempt.now {
        return Ok(ended(Outcome::Expired));
    }
    let answer = match factor.form_for(&one.about, &attempt.answer) {
        Ok(answer) => answer,
        // There is none: nobody was asked.
        Err(_) if attempt.is_waived() => NormalForm(String::new().into()),
        Err(malformed) => return Ok(ended(Outcome::Malformed(malformed))),
    };
    let mac = answer_mac(tx, id, &enrolment.0, &answer);
    if let Some(found) = settled(tx, attempt, &challenge, &mac, factor.left(one.state)).await? {
        return Ok(found);
    }
    let begun = begun(tx, attempt, id, Some(enrolment)).await?;
    if begun.is_none() && attempt.given.is_none() && factor.needs_start(&attempt.answer) {
        return Ok(ended(Outcome::NotBegun));
    }
    let Some(material) = tx.material(&identity.key, enrolment).await? else {
        return Ok(UNKNOWN);
    };
    let app = serde_json::from_str::<Purpose>(&challenge.purpose)
        .ok()
        .map(|purpose| purpose.app);
    let mut candidates = vec![Candidate { enrolment: Some(one.id.clone()), material, begun: begun.clone() }];
    let same = |other: &&EnrolmentRecord| other.factor == one.factor && other.id != one.id;
    for other in enrolled.iter().filter(same).filter(|_| factor.asks_for_any()) {
        if let Some(material) = tx.material(&identity.key, &other.id).await? {
            let enrolment = Some(other.id.clone());
            candidates.push(Candidate { enrolment, material, begun: begun.clone() });
        }
    }
    Ok(Found::Question(Question { app, ..Question::new(one.factor, answer, mac, candidates) }))
}

/// What there is to say when the challenge runs no more; `None` while it is open.
async fn settled(
    tx: &mut Tx,
    attempt: &Attempt,
    challenge: &ChallengeRecord,
    mac: &[u8; 32],
    left: Option<u32>,
) -> Result<Option<Found>, StoreError> {
    Ok(Some(match (challenge.stage, &challenge.passed) {
        (Stage::Open, _) => return Ok(None),
        (Stage::Locked, _) => Found::Blocked,
        (Stage::Passed, Some((stored, proof))) if bool::from(stored.as_slice().ct_eq(mac)) => {
            again(tx, attempt, stored, proof.clone(), left).await?
        }
        (Stage::Passed, _) => ended(Outcome::Expired),
    }))
}

async fn find_inline(tx: &mut Tx, attempt: &Attempt, kind: FactorKind) -> Result<Found, StoreError> {
    let subject = &attempt.caller.identity.key;
    let enrolled = tx.enrolments(subject).await?;
    // What must be begun first belongs to a challenge.
    let factor = attempt.factors.get(kind).filter(|factor| {
        !factor.needs_start(&attempt.answer)
            && !is_overshadowed(
                *factor,
                &enrolled,
                &attempt.factors,
                &Accepted::kinds_of(attempt.factors.kinds()),
            )
    });
    let Some(factor) = factor else {
        return Ok(UNKNOWN);
    };
    let (mut candidates, mut form) = (Vec::new(), None);
    for one in enrolled.into_iter().filter(|one| one.factor == kind) {
        // Imported tokens differ in their digits: the code is for those whose shape it has.
        let this = factor.form_for(&one.about, &attempt.answer);
        let fits = this.is_ok();
        if fits || form.is_none() {
            form = Some(this);
        }
        if let (true, Some(material)) = (fits, tx.material(subject, &one.id).await?) {
            candidates.push(Candidate { enrolment: Some(one.id), material, begun: None });
        }
    }
    match form {
        None => Ok(UNKNOWN),
        Some(Err(malformed)) => Ok(ended(Outcome::Malformed(malformed))),
        Some(Ok(answer)) => Ok(Found::Question(Question::new(kind, answer, [0; 32], candidates))),
    }
}

async fn find_pending(
    tx: &mut Tx,
    attempt: &Attempt,
    id: &str,
    name: Option<&str>,
) -> Result<Found, StoreError> {
    let identity = &attempt.caller.identity;
    let Some(pending) = tx.pending(&identity.key, &identity.binding, id).await? else {
        return Ok(UNKNOWN);
    };
    let Some(factor) = attempt.factors.get(pending.factor) else {
        return Ok(UNKNOWN);
    };
    if pending.expires <= attempt.now {
        return Ok(ended(Outcome::Expired));
    }
    let (answer, saved) = match confirmation(factor, &attempt.answer) {
        Ok(answer) => answer,
        Err(outcome) => return Ok(ended(outcome)),
    };
    let mac = answer_mac(tx, id, "pending", &answer);
    let facts = permission::facts(tx, &attempt.caller, attempt.now).await?;
    match pending.confirmed {
        None => {}
        Some((stored, proof)) if bool::from(stored.as_slice().ct_eq(&mac)) => {
            return confirmed_again(tx, attempt, &stored, proof, &facts.enrolled).await;
        }
        Some(_) => return Ok(ended(Outcome::Expired)),
    }
    let Some(waiting) = pending.waiting else {
        return Ok(ended(Outcome::Expired));
    };
    let rules = permission::Rules::of(&attempt.settings);
    let change = Change::enrolling(pending.factor);
    let permission = permission::judge(&facts, &rules, &attempt.caller, change, attempt.now);
    if permission != ChangePermission::Granted {
        return Ok(Found::Ended(Judged::NotPermitted(permission)));
    }
    let replaced = replaced(factor, &facts.enrolled);
    if facts.enrolled.len() - replaced.len() >= MAX_ENROLMENTS {
        return Ok(Found::Ended(Judged::TooMany));
    }
    let begun = begun(tx, attempt, id, None).await?;
    if begun.is_none() && needs_start_to_enrol(factor, &attempt.answer) {
        return Ok(ended(Outcome::NotBegun));
    }
    let candidates = vec![Candidate { enrolment: None, material: waiting.material, begun }];
    Ok(Found::Question(Question {
        saved,
        name: name.map(str::to_owned),
        enrolled: facts.enrolled,
        replaced,
        ..Question::new(pending.factor, answer, mac, candidates)
    }))
}

/// A ceremony of enrolment is in what waits; everything else is begun as for a challenge.
pub(super) fn needs_start_to_enrol(factor: &dyn Factor, answer: &Answer) -> bool {
    factor.starts() == Starts::OnRequest && factor.needs_start(answer)
}

/// What was begun for this question and has not run out.
async fn begun(
    tx: &mut Tx,
    attempt: &Attempt,
    question: &str,
    enrolment: Option<&EnrolmentId>,
) -> Result<Option<SecretSlice<u8>>, StoreError> {
    let started = tx.started(&attempt.caller.identity.key, question, enrolment).await?;
    Ok(started
        .filter(|started| started.expires > attempt.now)
        .map(|started| started.payload))
}

/// The answer that confirms an enrolment, and whether it is only the word that all is saved.
fn confirmation(factor: &dyn Factor, answer: &Answer) -> Result<(NormalForm, bool), Outcome> {
    match (factor.confirmation(), answer) {
        (Confirmation::Proof, answer) => factor
            .normal_form(answer)
            .map(|answer| (answer, false))
            .map_err(Outcome::Malformed),
        (Confirmation::Saved, Answer::Code(word)) if word == SAVED => {
            Ok((NormalForm(SAVED.to_owned().into()), true))
        }
        (Confirmation::Saved, _) => Err(Outcome::Malformed(crate::factors::Malformed::Empty)),
    }
}

fn replaced(factor: &dyn Factor, enrolled: &[EnrolmentRecord]) -> Vec<EnrolmentId> {
    if !factor.replaces_others() {
        return Vec::new();
    }
    enrolled
        .iter()
        .filter(|one| one.factor == factor.kind())
        .map(|one| one.id.clone())
        .collect()
}

async fn confirmed_again(
    tx: &mut Tx,
    attempt: &Attempt,
    stored: &[u8],
    proof: Option<Proof>,
    enrolled: &[EnrolmentRecord],
) -> Result<Found, StoreError> {
    match proof {
        None => Ok(ended(Outcome::Saved)),
        Some(proof) if enrolled.iter().any(|one| one.id == proof.enrolment) => {
            again(tx, attempt, stored, proof, None).await
        }
        Some(_) => Ok(ended(Outcome::Expired)),
    }
}

/// The same answer to the same question: the outcome it had (decision 19).
async fn again(
    tx: &mut Tx,
    attempt: &Attempt,
    stored: &[u8],
    proof: Proof,
    recovery_codes_left: Option<u32>,
) -> Result<Found, StoreError> {
    let subject = &attempt.caller.identity.key;
    let known = match &attempt.caller.browser {
        Some(token) => tx.is_known_browser(subject, token).await?,
        None => false,
    };
    let browser = (!known).then(|| browser_token(tx, stored));
    Ok(ended(Outcome::Passed { proof, browser, recovery_codes_left }))
}

fn answer_mac(tx: &Tx, question: &str, enrolment: &str, answer: &NormalForm) -> [u8; 32] {
    let parts = [
        question.as_bytes(),
        enrolment.as_bytes(),
        answer.0.expose_secret().as_bytes(),
    ];
    tx.ring().mac("answer", &parts)
}

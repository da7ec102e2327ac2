//! What the portal and the API are told: plain values without secrets, ready to be shown.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::FactorKind;
use crate::delivery::{Language, Reason};
use crate::factors::{Detail, Malformed, Prompt, Setup, Shows, Starts};
use crate::policy::{EnrolmentId, Identity, Proof};

pub use super::sends::Cap;

/// Who is asking, as one request established them. Every call takes it, so that no record of
/// another person can be reached (security.md E15).
#[derive(Clone)]
pub struct Caller {
    pub identity: Arc<Identity>,
    /// What the presented session claim proves; empty without one.
    pub proofs: Vec<Proof>,
    /// Value of the known-browser cookie, if there is one.
    pub browser: Option<String>,
    pub address: IpAddr,
    /// Whether the condition of `enrolment.first_factor.allow_when` is true for this request;
    /// `false` when it is unknown or there is none.
    pub trusted_place: bool,
    /// "Firefox on Linux", for the list of last uses.
    pub agent: String,
    /// The one that their browser asks for, of those that are spoken here.
    pub language: Option<Language>,
}

/// What a challenge is for: where the person was going, and what that route is still missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// Names of the levels not met yet.
    pub levels: Vec<String>,
    /// Name of the route, as shown to the person ("Payroll").
    pub app: String,
    /// The route's or rule's own words for why.
    pub reason: Option<String>,
    /// For how many seconds a browser may be trusted with what is proved for this; `None`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<i64>,
    /// Which of several proofs in a row this is; `None` where one is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Kinds that have been proved already and count, beside what is still missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<FactorKind>,
}

/// One of several proofs in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// From 1 on.
    pub now: usize,
    pub of: usize,
}

/// One challenge as the person sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ChallengeView {
    pub id: String,
    #[serde(flatten)]
    pub purpose: Purpose,
    /// Every enrolment of the person, best first, recovery codes last (ux.md U-4).
    pub ways: Vec<Way>,
    /// Which of `ways` is asked for.
    pub chosen: Option<EnrolmentId>,
    /// Not in the future: the challenge has ended, and a new one is one POST away.
    pub expires_at: UnixTime,
    /// Wrong answers left before a wait; shown from the third on.
    pub attempts_left: u32,
}

/// One enrolment as an option to prove more.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    pub enrolment: EnrolmentId,
    pub factor: FactorKind,
    pub name: String,
    /// Where it leads, as far as it may be shown.
    pub hint: Option<String>,
    pub prompt: Prompt,
    /// Whether it has to be begun by POST before there can be an answer.
    #[serde(rename = "must_start")]
    pub starts: Starts,
    /// The ways within it, for `choice`; empty where there is only one.
    pub choices: &'static [&'static str],
    /// Whether a code can be typed as well, without anything begun.
    pub takes_code_at_once: bool,
    /// What was begun for this very challenge.
    pub started: Option<StartedView>,
    pub last_used: Option<UnixTime>,
    /// Whether it counts for what is missing; if not, the page shows it disabled.
    pub accepted: bool,
    /// Why it does not.
    pub why_not: Option<WhyNot>,
    /// Codes left, for recovery codes.
    pub left: Option<u32>,
}

impl Way {
    /// Whether it has to be begun, by POST, before there is anything to answer.
    #[must_use]
    pub fn must_start(&self) -> bool {
        self.starts == Starts::OnRequest && self.started.is_none()
    }
}

/// Why an enrolment does not count for a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum WhyNot {
    /// Another kind of factor is asked for.
    OtherKind,
    /// Its proofs do not have what is asked for.
    Lacks { properties: Vec<&'static str> },
    /// It counts only beside another factor, and here one is enough.
    OnlyBeside,
    /// It counts only for people who have nothing else.
    LastResort,
    /// No code is left.
    UsedUp,
    /// It has been proved and counts already; another is missing beside it.
    Done,
    /// Its factor is switched off.
    Off,
}

/// What was begun for a challenge or an enrolment.
#[derive(Clone, Debug, Serialize)]
pub struct StartedView {
    #[serde(flatten)]
    pub shows: Shows,
    pub at: UnixTime,
    /// From when on it may be begun anew, where that sends something.
    pub again_at: Option<UnixTime>,
    pub expires_at: UnixTime,
}

/// With what something is begun.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Which of the ways within the way; empty for the usual one.
    pub choice: String,
    /// Where the person goes on, as the portal knows it.
    pub onward: String,
}

/// What became of a beginning.
#[derive(Clone, Debug)]
pub enum Beginning {
    Begun(StartedView),
    /// The service is away and the operator does without it then: the proof it would have made.
    Waived(Outcome),
    /// Something was sent only just now, or too often; from when on it can be sent again.
    NotYet {
        until: UnixTime,
        cap: Cap,
    },
    /// It was not sent, or the service refuses: another way is needed.
    Refused(Reason),
    /// It was handed over, and nobody said whether it was taken: it may arrive, and counts if it does.
    Doubtful(StartedView),
    /// The service does not know this person.
    Unknown,
    /// The challenge has run out.
    Expired,
}

/// What another site sent a person back for.
#[derive(Clone, Debug)]
pub struct WayBack {
    /// Id of the challenge, or of the enrolment that waits.
    pub question: String,
    /// `None` for an enrolment that waits.
    pub enrolment: Option<EnrolmentId>,
    pub onward: String,
}

/// A kind of factor that can be added.
#[derive(Clone, Debug, Serialize)]
pub struct Addable {
    pub factor: FactorKind,
    /// What has to be said first.
    pub details: &'static [Detail],
    /// Countries whose numbers are accepted (ISO 3166), where one has to be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
}

/// What became of an answer.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The proof, to be signed into the claim; and a fresh known-browser token to set.
    Passed {
        proof: Proof,
        browser: Option<String>,
        recovery_codes_left: Option<u32>,
    },
    /// An enrolment that is confirmed without a proof (recovery codes, saved).
    Saved,
    Malformed(Malformed),
    /// How many wrong answers are left before a wait.
    Wrong {
        attempts_left: u32,
    },
    /// The person, or the service for them, said no; counted as wrong. `fraud`: "it was not me".
    Denied {
        fraud: bool,
        attempts_left: u32,
    },
    /// Nobody answered the service in time. Nothing was counted.
    Lapsed,
    /// The service has locked the person out.
    Barred,
    /// Not decided yet: ask again in a while.
    Waiting,
    /// Right so far: the service asks something more, which has been begun.
    Again,
    /// Nothing has been begun that could be answered: begin it first.
    NotBegun,
    /// The service that judges did not answer. Nothing was counted.
    Unavailable,
    /// Somebody has enrolled this very thing already.
    Taken,
    /// It is of a kind that the operator does not accept. Not counted.
    Unfit,
    /// Right, by something that there may be a copy of; counted as wrong.
    Cloned {
        attempts_left: u32,
    },
    /// Right once, used already; counted as wrong.
    Used {
        attempts_left: u32,
    },
    /// The challenge has run out; a new one for the same purpose is one POST away.
    Expired,
    /// Too many wrong answers.
    Locked(Locked),
}

/// Until when no answer of this person is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    Until(UnixTime),
    /// Fifty in a row: only an administrator can help.
    Hard,
    /// The person has said that something was not them: only an administrator can help.
    Stopped,
}

/// One registered factor, for "My MFA settings".
#[derive(Clone, Debug, Serialize)]
pub struct EnrolmentView {
    pub id: EnrolmentId,
    pub factor: FactorKind,
    pub name: String,
    /// Where it leads, as far as it may be shown.
    pub hint: Option<String>,
    /// What it is: a model, a serial number.
    pub note: Option<String>,
    /// Whether it stays on one device and cannot be copied to another.
    #[serde(skip)]
    pub stays: bool,
    pub added: UnixTime,
    pub last_used: Option<UnixTime>,
    /// "Firefox on Linux".
    pub last_used_by: Option<String>,
    /// Codes left, for recovery codes.
    pub left: Option<u32>,
    /// Whether it is asked for first in browsers where nothing was used yet.
    pub is_default: bool,
    /// Whether its factor is switched off, so that it can't be used.
    pub is_off: bool,
}

impl EnrolmentView {
    /// Whether the person can confirm with it, on any day.
    #[must_use]
    pub const fn is_everyday(&self) -> bool {
        !self.factor.is_spare() && !self.is_off
    }
}

/// An enrolment that waits for its confirmation.
#[derive(Clone, Serialize)]
pub struct PendingEnrolment {
    pub id: String,
    pub factor: FactorKind,
    pub name: String,
    pub setup: Setup,
    pub prompt: Prompt,
    /// What was begun for its confirmation.
    pub started: Option<StartedView>,
    pub expires_at: UnixTime,
}

/// What somebody wants to do with their own factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add one that is there for every day.
    Add,
    /// Rename, prefer, remove; or make a new list of codes, which voids the old one.
    Other,
}

impl Change {
    /// The change that enrolling this kind is.
    #[must_use]
    pub const fn enrolling(kind: FactorKind) -> Self {
        if kind.is_spare() { Self::Other } else { Self::Add }
    }
}

/// Whether the caller may add or change factors now (decisions 23 and 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePermission {
    /// First enrolment (by invitation, network or open), or a fresh enough proof.
    Granted,
    /// No factor yet, and nothing that lets the first one be enrolled: ask for an invitation.
    NeedsInvitation,
    /// A proof that counts for the change, at most five minutes old, is needed first.
    NeedsProof,
}

//! What the portal and the API are told: plain values without secrets, ready to be shown.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::FactorKind;
use crate::factors::{Malformed, Prompt, Setup};
use crate::policy::{EnrolmentId, Identity, Proof};

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
    pub prompt: Prompt,
    pub last_used: Option<UnixTime>,
    /// Whether it counts for what is missing; if not, the page shows it disabled.
    pub accepted: bool,
    /// Codes left, for recovery codes.
    pub left: Option<u32>,
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
}

/// One registered factor, for "My MFA settings".
#[derive(Clone, Debug, Serialize)]
pub struct EnrolmentView {
    pub id: EnrolmentId,
    pub factor: FactorKind,
    pub name: String,
    pub added: UnixTime,
    pub last_used: Option<UnixTime>,
    /// "Firefox on Linux".
    pub last_used_by: Option<String>,
    /// Codes left, for recovery codes.
    pub left: Option<u32>,
}

/// An enrolment that waits for its confirmation.
#[derive(Clone, Serialize)]
pub struct PendingEnrolment {
    pub id: String,
    pub factor: FactorKind,
    pub name: String,
    pub setup: Setup,
    pub expires_at: UnixTime,
}

/// Whether the caller may add or change factors now (decisions 23 and 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePermission {
    /// First enrolment (by invitation, network or open), or a fresh enough proof.
    Granted,
    /// No factor yet, and nothing that lets the first one be enrolled: ask for an invitation.
    NeedsInvitation,
    /// A proof by any own factor, at most five minutes old, is needed first.
    NeedsProof,
}

//! One folder per factor, behind one trait.
//!
//! A factor knows nothing of HTTP, cookies, routes, pages or the store: it says what it needs
//! from the person and judges what came back. The challenge carries its words. A new factor is
//! one folder here, one line in [`all`] and one line in [`FactorKind`].

use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::FactorKind;

/// What the person is asked for. Serialised as it stands for the API; the page has one partial
/// per variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Prompt {
    /// Digits from an app or a message.
    Code { digits: u8 },
    /// One of the codes from the printed list.
    RecoveryCode,
}

/// What came back.
#[derive(Clone, Deserialize)]
pub enum Answer {
    /// As typed: the factor normalises.
    Code(String),
}

/// What a new enrolment shows, once, to the person who makes it.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Setup {
    /// Key and `otpauth:` URI for an authenticator app.
    Totp { key: String, uri: String },
    /// The codes themselves: they are never shown again.
    RecoveryCodes { codes: Vec<String> },
}

/// A secret and the public state beside it, as the store keeps them for one enrolment.
///
/// `state` is a number that only grows and is written by one conditional write (for an
/// authenticator app the last time step that counted), so nothing counts twice.
#[derive(Clone)]
pub struct Material {
    pub secret: SecretSlice<u8>,
    pub state: i64,
}

/// The judgement on an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Right. The store must move `state` from its old value to this larger one, or it did not count.
    Right {
        state: i64,
    },
    /// Not even the right shape; not counted as an attempt.
    Malformed(Malformed),
    Wrong,
    /// Right once, and used already.
    Used,
}

/// How an answer is not even the right shape (ux.md P-1 has the texts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    Empty,
    Length { expected: u8, got: usize },
    NotDigits,
}

/// One way to prove more.
pub trait Factor: Send + Sync {
    fn kind(&self) -> FactorKind;

    /// What to ask for when this factor is challenged.
    fn prompt(&self) -> Prompt;

    /// Makes the secret for a new enrolment and what to show of it. `account` is the person's name.
    ///
    /// # Errors
    /// When `account` cannot be carried by what the factor shows.
    fn begin(&self, account: &str) -> Result<(Material, Setup), EnrolError>;

    /// Judges an answer, at enrolment and at a challenge alike. Constant time in the secret.
    fn check(&self, material: &Material, answer: &Answer, now: UnixTime) -> Verdict;
}

/// Why an enrolment could not begin.
#[derive(Debug, thiserror::Error)]
#[error("this factor cannot be set up for the account: {0}")]
pub struct EnrolError(pub String);

//! One folder per factor, behind one trait.
//!
//! A factor knows nothing of HTTP, cookies, routes, pages or the store: it says what it needs
//! from the person and judges what came back. The challenge carries its words. A new factor is
//! one folder here, one line in [`all`] and one line in [`FactorKind`].

use secrecy::{SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::{FactorKind, FactorSet, settings};

mod code;
mod recovery_code;
mod totp;

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

/// An answer in the one spelling that is judged, so that no other spelling of a used code is
/// another code (security.md E03).
pub struct NormalForm(pub SecretString);

/// What a new enrolment shows, once, to the person who makes it.
#[derive(Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Right. The store must move `state` from its old value to this larger one, or it did not count.
    Right {
        state: i64,
    },
    Wrong,
    /// Right once, and used already.
    Used,
}

/// How an answer is not even the right shape (ux.md P-1 has the texts). Never counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    Empty,
    Length {
        expected: u8,
        got: usize,
    },
    /// It holds characters that such a code never has.
    NotDigits,
}

/// How a new enrolment is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// By proving it once, which makes a proof.
    Proof,
    /// By saying that what was shown is saved ([`SAVED`]), which proves nothing.
    Saved,
}

/// The answer that confirms what needs no proof.
pub const SAVED: &str = "saved";

/// One way to prove more.
pub trait Factor: Send + Sync {
    fn kind(&self) -> FactorKind;

    /// What an enrolment is called unless the person names it.
    fn default_name(&self) -> &'static str;

    /// What to ask for when this factor is challenged.
    fn prompt(&self) -> Prompt;

    /// Makes the secret for a new enrolment and what to show of it. `account` is the person's name.
    ///
    /// # Errors
    /// When `account` cannot be carried by what the factor shows.
    fn begin(&self, account: &str) -> Result<(Material, Setup), EnrolError>;

    fn confirmation(&self) -> Confirmation {
        Confirmation::Proof
    }

    /// Whether a new enrolment takes the place of the person's others of this kind.
    fn replaces_others(&self) -> bool {
        false
    }

    /// The one spelling of an answer.
    ///
    /// # Errors
    /// When it is not even the right shape.
    fn normal_form(&self, answer: &Answer) -> Result<NormalForm, Malformed>;

    /// Judges an answer, at enrolment and at a challenge alike. Constant time in the secret.
    fn check(&self, material: &Material, answer: &NormalForm, now: UnixTime) -> Verdict;

    /// How often this enrolment can still be used, where that is limited.
    fn left(&self, _state: i64) -> Option<u32> {
        None
    }
}

/// Why an enrolment could not begin.
#[derive(Debug, thiserror::Error)]
#[error("this factor cannot be set up for the account: {0}")]
pub struct EnrolError(pub String);

/// The factors that are switched on.
pub struct Factors {
    list: Vec<Box<dyn Factor>>,
}

impl Factors {
    /// The factor of this kind, if it is on.
    #[must_use]
    pub fn get(&self, kind: FactorKind) -> Option<&dyn Factor> {
        self.list.iter().find(|factor| factor.kind() == kind).map(|factor| &**factor)
    }

    /// The kinds that are on.
    #[must_use]
    pub fn kinds(&self) -> FactorSet {
        self.list.iter().map(|factor| factor.kind()).collect()
    }
}

/// Every factor that the settings switch on.
#[must_use]
pub fn all(settings: &settings::Factors) -> Factors {
    let mut list: Vec<Box<dyn Factor>> = vec![
        Box::new(totp::Totp::new(&settings.totp)),
        Box::new(recovery_code::RecoveryCode::new(&settings.recovery_codes)),
    ];
    list.retain(|factor| settings.enabled.contains(factor.kind()));
    Factors { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_that_is_off_is_not_there() {
        let mut settings = settings::Factors {
            enabled: FactorSet::EMPTY.with(FactorKind::Totp),
            ..settings::Factors::default()
        };
        let factors = all(&settings);
        assert!(factors.get(FactorKind::Totp).is_some() && factors.get(FactorKind::RecoveryCode).is_none());
        settings.enabled = FactorSet::EMPTY.with(FactorKind::Totp).with(FactorKind::RecoveryCode);
        assert_eq!(all(&settings).kinds(), settings.enabled);
    }
}

//! What is kept of an enrolment, and the judgement on an answer.

use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use crate::config::Properties;

/// A secret and the public state beside it, as the store keeps them for one enrolment.
///
/// `state` is a number that only grows and is written by one conditional write (for an
/// authenticator app the last time step that counted), so nothing counts twice.
#[derive(Clone)]
pub struct Material {
    pub secret: SecretSlice<u8>,
    pub state: i64,
    pub about: About,
}

impl Material {
    /// A secret about which nothing more is to be said.
    #[must_use]
    pub fn new(secret: Vec<u8>, state: i64) -> Self {
        Self { secret: SecretSlice::from(secret), state, about: About::default() }
    }
}

/// What may be known of an enrolment without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Where it leads, as far as it may be shown: "ending 42", "a…@example.com".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What it is: a model, a serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many digits its codes have, where that is not what the factor makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u8>,
    /// The most that a proof by it can have.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// What nobody else may enrol as well: a credential's id, a key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// A right answer.
#[derive(Clone)]
pub struct Right {
    /// Larger than the state before: the store moves it, or the answer did not count.
    pub state: i64,
    /// What this proof has.
    pub properties: Properties,
    /// Takes the place of what is kept, where the answer changed it.
    pub material: Option<Material>,
}

impl Right {
    /// The state moves to this value; the proof has all that the enrolment can have.
    #[must_use]
    pub fn at(state: i64, material: &Material) -> Self {
        Self { state, properties: material.about.properties, material: None }
    }

    /// The state only counts uses: something else makes the answer count once.
    #[must_use]
    pub fn once_more(material: &Material) -> Self {
        Self::at(material.state.saturating_add(1), material)
    }
}

/// The judgement on an answer.
#[derive(Clone)]
pub enum Verdict {
    Right(Right),
    Wrong,
    /// Right once, and used already.
    Used,
    /// Right, by something that is not the only one of its kind any more: it does not count, and is told.
    Cloned,
    /// Well made, by something of a kind that the operator does not accept. No guess, so not counted.
    Unfit,
    /// The person, or the service for them, said no.
    Denied,
    /// The person said that it was not them.
    Fraud,
    /// Nobody answered there in time.
    Lapsed,
    /// The service lets this person prove nothing now: it has locked them out.
    Barred,
    /// Not decided yet.
    Waiting,
    /// The service was asked and did not answer: it may have judged. The text is for the log alone.
    Silent(String),
    /// Not wrong, and not enough: the service asks something more.
    Again(Box<super::Started>),
}

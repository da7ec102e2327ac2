//! One factor, verified at one time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::FactorKind;

/// Names one registered factor of one person. Short, random, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrolmentId(pub Arc<str>);

/// What the person has shown: this kind, by this enrolment, at this time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    #[serde(rename = "f")]
    pub factor: FactorKind,
    #[serde(rename = "e")]
    pub enrolment: EnrolmentId,
    #[serde(rename = "t")]
    pub at: UnixTime,
}

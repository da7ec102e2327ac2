//! One factor, verified at one time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ambient::UnixTime;
use crate::config::{FactorKind, Properties};

/// Names one registered factor of one person. Short, random, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrolmentId(pub Arc<str>);

/// Names one browser that a person asked to be remembered in. Short, random, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustId(pub Arc<str>);

/// What the person has shown: this kind, by this enrolment, at this time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    #[serde(rename = "f")]
    pub factor: FactorKind,
    #[serde(rename = "e")]
    pub enrolment: EnrolmentId,
    #[serde(rename = "t")]
    pub at: UnixTime,
    /// What this proof established, which may be less than its factor can.
    #[serde(rename = "p", default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// The trusted browser that brought it back from another session. Its time stays the original
    /// one, and only levels with `remember_device` look at it.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<TrustId>,
    /// Nobody proved it: the service was away, and the operator does without it then. It permits no
    /// change of factors.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

impl Proof {
    /// A proof made here and now, without properties.
    #[must_use]
    pub const fn new(factor: FactorKind, enrolment: EnrolmentId, at: UnixTime) -> Self {
        Self {
            factor,
            enrolment,
            at,
            properties: Properties::EMPTY,
            remembered: None,
            waived: false,
        }
    }
}

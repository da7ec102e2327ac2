//! Why a service that was only tried out would be of no use, for `stepgate check --connect`.
//!
//! It tells apart what an operator has to mend in different places, and says nothing of people.

use super::CallError;

/// Where it has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Name, address, port, network, or a service that is down.
    Unreachable,
    /// Its certificate, or the authority that it is believed by.
    Untrusted,
    /// It is there, and does not take our name and secret.
    NotAdmitted,
    /// It is there, and is not or does not do what it should.
    Odd,
}

impl Trouble {
    /// Its name for scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::NotAdmitted => "not_admitted",
            Self::Odd => "odd",
        }
    }
}

/// What is wrong with a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct Unwell {
    pub trouble: Trouble,
    /// In the service's words or ours, without secrets.
    pub says: String,
}

impl Unwell {
    #[must_use]
    pub fn new(trouble: Trouble, says: impl Into<String>) -> Self {
        Self { trouble, says: says.into() }
    }

    /// An answer with a status that was not hoped for.
    #[must_use]
    pub fn answered(status: http::StatusCode) -> Self {
        let trouble = match status.as_u16() {
            401 | 403 => Trouble::NotAdmitted,
            _ => Trouble::Odd,
        };
        Self::new(trouble, format!("it answers {status}"))
    }
}

impl From<CallError> for Unwell {
    fn from(error: CallError) -> Self {
        let trouble = match error {
            CallError::NotReached(_) | CallError::Slow(_) | CallError::Broken(_) => Trouble::Unreachable,
            CallError::Untrusted(_) => Trouble::Untrusted,
            CallError::TooLarge => Trouble::Odd,
        };
        Self::new(trouble, error.to_string())
    }
}

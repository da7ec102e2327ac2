//! Why a step at a page or at the API did not happen: one list, told as a page or as a problem.
//!
//! A failure says what kind it is and nothing about why a credential was wrong.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::challenge::ChallengeError;
use crate::challenge::view::{ChangePermission, Locked};
use crate::gate::passage::{PassageError, TooMany};

/// A step that did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something that is needed does not answer. The text is for the log alone.
    Unavailable(String),
    /// The request breaks the grammar.
    BadRequest(&'static str),
    /// The request does not come from a page of ours.
    Foreign,
    SignInRequired,
    SignInFailed,
    NotFound,
    /// The person may not go there, whatever they prove.
    NotAllowed,
    /// The first factor needs an invitation.
    InvitationNeeded,
    /// A fresh proof is needed before one's own factors change.
    ProofNeeded,
    /// More passwords are being checked than the machine can bear.
    Busy,
    TooMany {
        retry_after: u32,
    },
    Locked(Locked),
}

impl Failure {
    /// The status both doors answer with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable(_) | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::SignInRequired | Self::SignInFailed => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Foreign
            | Self::NotAllowed
            | Self::InvitationNeeded
            | Self::ProofNeeded
            | Self::Locked(Locked::Stopped) => StatusCode::FORBIDDEN,
            Self::TooMany { .. } | Self::Locked(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl From<PassageError> for Failure {
    fn from(error: PassageError) -> Self {
        match error {
            PassageError::Unavailable(why) => Self::Unavailable(why),
            PassageError::Busy => Self::Busy,
            PassageError::Stopped => Self::Locked(Locked::Stopped),
            PassageError::Refused(why) => Self::BadRequest(why),
            PassageError::BadReturn(_) => {
                Self::BadRequest("the return address must be a path on a site this gate serves")
            }
        }
    }
}

impl From<ChallengeError> for Failure {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::Locked(locked) => Self::Locked(locked),
            ChallengeError::NotPermitted(ChangePermission::NeedsInvitation) => Self::InvitationNeeded,
            ChallengeError::NotPermitted(_) => Self::ProofNeeded,
            ChallengeError::NoSuchFactor => Self::BadRequest("this factor is not available"),
            ChallengeError::BadName => Self::BadRequest("a name has 1 to 64 characters"),
            ChallengeError::TooMany => Self::BadRequest("there are too many factors already"),
            ChallengeError::Busy => Self::Busy,
            ChallengeError::Store(error) => Self::Unavailable(error.to_string()),
            ChallengeError::Source(error) => Self::Unavailable(error.to_string()),
            ChallengeError::Enrol(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<TooMany> for Failure {
    fn from(error: TooMany) -> Self {
        Self::TooMany { retry_after: error.retry_after }
    }
}

/// Carries the failure out of the handler; the layer around it gives it a body.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

//! The ways out of a page's handler that are not its page.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::frame::Page;
use crate::api::Failure;
use crate::challenge::ChallengeError;
use crate::gate::passage::{PassageError, TooMany};

/// What a handler of the portal answers with.
pub type Reply = Result<Response, Detour>;

/// Instead of the page that was asked for.
#[derive(Debug)]
pub enum Detour {
    /// To another page of ours, by GET.
    To(String),
    Failed(Failure),
    /// This page.
    Drawn(Box<Response>),
}

/// A page as a handler's answer, with cookies to set.
#[must_use]
pub fn page(page: Page, cookies: Vec<HeaderValue>) -> Response {
    let mut response = page.map(Body::from);
    for cookie in cookies {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
    response
}

/// `303 See Other` to an address that we made, with cookies to set.
#[must_use]
pub fn see_other(location: &str, cookies: Vec<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return Failure::Unavailable("an address of ours is no header value".to_owned()).into_response();
    };
    let mut response = page(Page::default(), cookies);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, location);
    response
}

impl IntoResponse for Detour {
    fn into_response(self) -> Response {
        match self {
            Self::To(location) => see_other(&location, Vec::new()),
            Self::Failed(failure) => failure.into_response(),
            Self::Drawn(page) => *page,
        }
    }
}

impl From<Failure> for Detour {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PassageError> for Detour {
    fn from(error: PassageError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ChallengeError> for Detour {
    fn from(error: ChallengeError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<TooMany> for Detour {
    fn from(error: TooMany) -> Self {
        Self::Failed(error.into())
    }
}

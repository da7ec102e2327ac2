//! The session that an app keeps itself: how it is learned whose it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Signed, Watch};
use crate::config::settings::Pointer;

/// An app whose own sign-in counts as the first factor.
#[derive(Debug, Clone)]
pub struct AppSession {
    pub way: AppWay,
    /// How long an answer of the app is believed.
    pub recheck: Duration,
    /// Its sign-in page; [`AppSession::TARGET`] in it is where somebody was going.
    pub sign_in: Option<String>,
    /// Requests that end its session.
    pub sign_out: Vec<Mark>,
    /// Whether `Anna` and `anna` are one person.
    pub ignores_case: bool,
    /// Whether the client's `Authorization` goes on to the app where it does not say who it is.
    pub keeps_authorization: bool,
}

/// How it is learned who is signed in.
#[derive(Debug, Clone)]
pub enum AppWay {
    Probe(Probe),
    Basic(Basic),
    Watch(Watch),
    Signed(Signed),
}

/// The app is asked, with the person's own cookies.
#[derive(Debug, Clone)]
pub struct Probe {
    pub question: Question,
    /// Cookies that go with it; a name may end in `*`.
    pub cookies: Vec<String>,
    /// Headers that go with it.
    pub headers: Vec<String>,
    pub user: Place,
}

/// The app checks the name and password that come with each request.
#[derive(Debug, Clone)]
pub struct Basic {
    pub question: Question,
    pub realm: String,
    /// Where the answer names the person; `None`: the name that was sent counts.
    pub user: Option<Place>,
}

/// What the app is asked, and how its answer is read.
#[derive(Debug, Clone)]
pub struct Question {
    pub url: ProbeUrl,
    /// The one status that says "signed in".
    pub signed_in_status: u16,
    pub timeout: Duration,
    /// PEM of the authorities that count for an absolute URL; `None`: the system's.
    pub authority: Option<String>,
    pub groups: Option<Place>,
    pub name: Option<Place>,
    pub email: Option<Place>,
    pub attributes: BTreeMap<String, Place>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeUrl {
    /// The upstream of the route that the request is for.
    Path(String),
    Absolute(String),
}

/// A place in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Json(Pointer),
    Header(String),
    Html {
        /// CSS.
        selector: String,
        /// `None`: the element's text.
        attribute: Option<String>,
    },
}

/// What marks a request: its path, and parameters that its query must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// A path pattern.
    pub path: String,
    pub query: Vec<(String, String)>,
}

impl AppSession {
    /// What stands in `sign_in` for the path and query that somebody was going to.
    pub const TARGET: &'static str = "{target}";

    /// Whether a client's `Authorization` may go on to the app: an app that prefers it to the session
    /// whose person is known would act for somebody else.
    #[must_use]
    pub fn lets_authorization_through(&self) -> bool {
        let read = match &self.way {
            AppWay::Probe(probe) => {
                probe.headers.iter().any(|name| name.eq_ignore_ascii_case("authorization"))
            }
            AppWay::Basic(_) => true,
            AppWay::Watch(_) | AppWay::Signed(_) => false,
        };
        read || self.keeps_authorization
    }
}

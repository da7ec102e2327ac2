//! The gate's other side: what portal and API need to lead a person through and back.
//!
//! Who is calling, where they were going, what is still missing there, and the cookies and the
//! address to go on with. It shows nothing and verifies no factor.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::ambient::UnixTime;
use crate::challenge::view::{Caller, Locked, Purpose};
use crate::config::FactorSet;
use crate::policy::Proof;

/// One request to the portal or the API, as far as it says who is there.
#[derive(Clone)]
pub struct Visitor {
    /// `None` until the first factor.
    pub caller: Option<Caller>,
    /// The client's address, from trusted proxies only.
    pub address: IpAddr,
    /// "Firefox on Linux".
    pub agent: String,
    /// Whether that address is where first enrolment is allowed without an invitation.
    pub trusted_place: bool,
    /// Value of our identity cookie; what CSRF tokens of signed-in pages are bound to.
    id_cookie: Option<String>,
    browser_cookie: Option<String>,
    claim_cookie: Option<String>,
}

/// What became of a user name and a password.
pub enum SignIn {
    /// Set these cookies; the person is signed in from the next request on.
    Welcome {
        cookies: Vec<HeaderValue>,
        caller: Caller,
    },
    /// One text for every failure.
    Refused,
    Locked(Locked),
}

/// Where a person was going when the gate asked for more.
#[derive(Clone, Debug)]
pub struct Journey {
    pub id: String,
    /// Canonical host of the site.
    pub site: Arc<str>,
    /// Path and query, as judged.
    pub target: String,
    pub method: String,
    /// Whether the request's body is kept for a click on "Send it now".
    pub held: bool,
    /// The route's name as people see it.
    pub app: String,
}

/// What a journey still needs from this person.
#[derive(Clone, Debug)]
pub enum Missing {
    Nothing,
    Proof {
        purpose: Purpose,
        /// Kinds that count for at least one missing level.
        accepted: FactorSet,
    },
    /// No proof will help.
    Denied,
}

/// How a person goes on.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub cookies: Vec<HeaderValue>,
    /// A same-origin path, or the hand-off callback of another site.
    pub next: String,
    /// Name of the app they are taken to.
    pub app: String,
}

/// Why a return address is not acceptable (security.md G01).
#[derive(Debug, thiserror::Error)]
#[error("the return address must be a path on a site this gate serves")]
pub struct BadReturn;

/// What can go wrong at the portal that is nobody's wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum PassageError {
    /// Fail closed: the page says that nothing can be checked right now.
    #[error("{0}")]
    Unavailable(String),
    /// The request's credentials contradict themselves.
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    BadReturn(#[from] BadReturn),
}

/// Asked too often from one network; seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    pub retry_after: u32,
}

/// Cheap to clone; one for the process.
#[derive(Clone)]
pub struct Passage {}

impl Passage {
    /// Counts one request to sign-in, challenge or enrolment against the client's network.
    ///
    /// # Errors
    /// When the network has used up its share.
    pub fn admit(&self, address: IpAddr) -> Result<(), TooMany> {
        todo!()
    }

    /// Reads who is there. `peer` is the socket's address.
    ///
    /// # Errors
    /// When an identity source cannot be asked or refuses what came.
    pub async fn visitor(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Visitor, PassageError> {
        todo!()
    }

    /// Whether people sign in with a name and a password here at all.
    #[must_use]
    pub fn has_local_sign_in(&self) -> bool {
        todo!()
    }

    /// The first factor, counted and checked (own counters, decision 18).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sign_in(
        &self,
        visitor: &Visitor,
        name: &str,
        password: &str,
    ) -> Result<SignIn, PassageError> {
        todo!()
    }

    /// Ends this session, or all of the person's; on every site within a second. Returns cookies to clear.
    ///
    /// # Errors
    /// When the store cannot be written: the person is still signed in.
    pub async fn sign_out(
        &self,
        visitor: &Visitor,
        everywhere: bool,
    ) -> Result<Vec<HeaderValue>, PassageError> {
        todo!()
    }

    /// Keeps where the person wants to go (`return`, `rd`): a path, or a URL on a site of ours.
    ///
    /// # Errors
    /// When it is neither, or the store cannot be written.
    pub async fn begin_journey(&self, return_to: &str, method: &str) -> Result<Journey, PassageError> {
        todo!()
    }

    /// A journey by its opaque id; `None` when unknown or older than 24 h.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn journey(&self, id: &str) -> Result<Option<Journey>, PassageError> {
        todo!()
    }

    /// Judges the journey's request again for this person, by the same policy as the gate.
    ///
    /// # Errors
    /// When a fact cannot be looked up.
    pub async fn missing(&self, caller: &Caller, journey: &Journey) -> Result<Missing, PassageError> {
        todo!()
    }

    /// Signs a new proof (if any) into the session's claim and says how to go on: to the journey's
    /// site if nothing is missing there, else back to the challenge.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn arrive(
        &self,
        visitor: &Visitor,
        proof: Option<Proof>,
        browser: Option<String>,
        journey: Option<&Journey>,
    ) -> Result<Arrival, PassageError> {
        todo!()
    }

    /// A token that binds a form to this browser: to the session when signed in, else to the
    /// pre-session cookie that [`Passage::pre_session`] sets.
    #[must_use]
    pub fn csrf_token(&self, visitor: &Visitor) -> String {
        todo!()
    }

    /// Whether a form's token is this browser's. Constant time.
    #[must_use]
    pub fn csrf_ok(&self, visitor: &Visitor, token: &str) -> bool {
        todo!()
    }

    /// A cookie to set on the sign-in page for a browser that has none of ours yet, and the visitor
    /// as they will be with it.
    #[must_use]
    pub fn pre_session(&self, visitor: Visitor) -> (Visitor, Option<HeaderValue>) {
        todo!()
    }

    /// Whether a state-changing request comes from our own pages: `Sec-Fetch-Site`, else `Origin`.
    /// Neither present: a non-browser client, allowed for the JSON API only.
    #[must_use]
    pub fn same_origin(&self, headers: &HeaderMap) -> Option<bool> {
        todo!()
    }

    /// Now, for pages that say until when.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        todo!()
    }
}

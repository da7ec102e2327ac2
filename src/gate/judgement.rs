//! What a door gets from the gate for one request.

use bytes::Bytes;
use http::Response;

use super::{LogIn, Onlookers};
use crate::policy::Permit;
use crate::upstream::{Body, Outgoing};

/// The gate's word on one request. A door carries it out and adds nothing.
#[derive(Debug)]
pub enum Judgement {
    /// Send it on, with this permit and these headers of ours.
    Forward {
        permit: Permit,
        outgoing: Outgoing,
        /// A form kept over a challenge: takes the place of the client's body, whose headers have
        /// been changed to fit.
        body: Option<Bytes>,
        /// Who has to see the app's answer before it is released.
        onlookers: Option<Box<Onlookers>>,
    },
    /// Sign the person in to the app through its own form. The reverse proxy's door alone gets this.
    LogIn(Box<LogIn>),
    /// Below the reserved prefix: the portal's or the API's to answer.
    Portal,
    /// Answered already: a challenge, a refusal, a redirect.
    Answer(Response<Body>),
}

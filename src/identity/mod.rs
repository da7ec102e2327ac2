//! One folder per identity source, behind one trait: who does the first factor say this is?
//!
//! A source reads what a request carries. It never decides what the person may do, and it never
//! sees a request's body.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use crate::policy::Identity;

/// What a source may look at.
pub struct Credentials<'a> {
    /// The site the request is for: its canonical host.
    pub site: &'a str,
    pub headers: &'a HeaderMap,
    /// The peer of the socket, never a forwarded address.
    pub peer: IpAddr,
    /// Value of our `__Host-stepgate-id` cookie, if there is exactly one.
    pub id_cookie: Option<&'a str>,
}

/// Why a source that should have answered could not.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Credentials are there and contradict themselves or break the grammar: refuse the request.
    #[error("the identity that came with the request is not acceptable: {0}")]
    Refused(&'static str),
    /// The source cannot be asked right now: fail closed.
    #[error("the identity source cannot be reached: {0}")]
    Unavailable(String),
}

//! One request to a page or to the API, as far as it says who is there.

use std::net::IpAddr;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use crate::challenge::view::Caller;
use crate::gate::passage::Visitor;

use super::failure::Failure;
use super::services::Services;

/// What the door knows about a request, handed over as a request extension. A request without one
/// is answered with 503: nothing is served that did not come through a door.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Address of the socket's other end.
    pub peer: IpAddr,
    /// Whether the request is for the portal's own origin (decision 1).
    pub is_portal: bool,
    /// Eight characters that find this request in the logs.
    pub reference: String,
}

/// Who is there, read once per request.
pub struct Visit {
    pub visitor: Visitor,
    /// Whether the request comes from our own pages; `None`: a client that does not say.
    pub same_origin: Option<bool>,
    pub reference: String,
}

impl Visit {
    /// The person, if they have passed a first factor.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn caller(&self) -> Result<&Caller, Failure> {
        self.visitor.caller.as_ref().ok_or(Failure::SignInRequired)
    }
}

impl<S> FromRequestParts<S> for Visit
where
    S: Send + Sync,
    Services: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let services = Services::from_ref(state);
        let entry = parts.extensions.get::<Entry>().cloned();
        let entry =
            entry.ok_or_else(|| Failure::Unavailable("the request came through no door".to_owned()))?;
        let visitor = services.passage.visitor(parts, entry.peer).await?;
        let same_origin = services.passage.same_origin(&parts.headers);
        Ok(Self { visitor, same_origin, reference: entry.reference })
    }
}

//! What the gate adds to a request on its way to the app, and what the exchange rests on.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use super::cookies::AppCookie;
use super::watch::Standing;

/// Headers to set after everything a client could have sent under these names is gone.
///
/// `shared` is prepared once per claim and identity and costs a reference count per request;
/// `own` holds what differs from request to request.
#[derive(Clone, Default)]
pub struct Outgoing {
    shared: Option<Arc<[(HeaderName, HeaderValue)]>>,
    own: Vec<(HeaderName, HeaderValue)>,
    /// In the place of the client's `Cookie`; `None`: yet to be made from it.
    cookie: Option<AppCookie>,
    /// Whether the client's own `Authorization` is removed.
    our_authorization: bool,
    /// What an exchange that goes on rests on; `None`: only the app ends it.
    standing: Option<Arc<dyn Standing>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Assertions are secrets of a kind: names only.
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Outgoing {
    /// Nothing to add: public routes.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            shared: None,
            own: Vec::new(),
            cookie: None,
            our_authorization: false,
            standing: None,
        }
    }

    /// The prepared headers of a person.
    #[must_use]
    pub const fn shared(headers: Arc<[(HeaderName, HeaderValue)]>) -> Self {
        Self {
            shared: Some(headers),
            own: Vec::new(),
            cookie: None,
            our_authorization: false,
            standing: None,
        }
    }

    /// The exchange must end when this says so.
    #[must_use]
    pub fn resting_on(mut self, standing: Arc<dyn Standing>) -> Self {
        self.standing = Some(standing);
        self
    }

    pub(super) const fn standing(&mut self) -> Option<Arc<dyn Standing>> {
        self.standing.take()
    }

    /// Adds one header of this request alone.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.own.push((name, value));
    }

    /// `Authorization` is ours to say on the way to this app, even where we say nothing.
    #[must_use]
    pub const fn with_our_authorization(mut self) -> Self {
        self.our_authorization = true;
        self
    }

    pub(super) const fn is_authorization_ours(&self) -> bool {
        self.our_authorization
    }

    /// Says what is left of the request's `Cookie` field without ours, where that is known already:
    /// it must have been made from exactly this field.
    #[must_use]
    pub fn with_cookie(mut self, cookie: AppCookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    pub(super) const fn cookie(&self) -> Option<&AppCookie> {
        self.cookie.as_ref()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.len()) + self.own.len()
    }

    /// All of them; a later one of the same name wins.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.shared.iter().flat_map(|shared| shared.iter()).chain(&self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_headers_come_after_the_shared_ones() {
        let shared = [(HeaderName::from_static("remote-user"), HeaderValue::from_static("ada"))];
        let mut outgoing = Outgoing::shared(shared.into());
        outgoing.set(HeaderName::from_static("stepgate-acr"), HeaderValue::from_static("standard"));
        let names: Vec<_> = outgoing.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["remote-user", "stepgate-acr"]);
    }
}

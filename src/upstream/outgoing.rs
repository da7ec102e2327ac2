//! What the gate adds to a request on its way to the app.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use super::cookies::AppCookie;

/// Headers to set after everything a client could have sent under these names is gone.
///
/// `shared` is prepared once per claim and identity and costs a reference count per request;
/// `own` holds what differs from request to request.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    shared: Option<Arc<[(HeaderName, HeaderValue)]>>,
    own: Vec<(HeaderName, HeaderValue)>,
    /// In the place of the client's `Cookie`; `None`: yet to be made from it.
    cookie: Option<AppCookie>,
}

impl Outgoing {
    /// Nothing to add: public routes.
    #[must_use]
    pub const fn none() -> Self {
        Self { shared: None, own: Vec::new(), cookie: None }
    }

    /// The prepared headers of a person.
    #[must_use]
    pub const fn shared(headers: Arc<[(HeaderName, HeaderValue)]>) -> Self {
        Self { shared: Some(headers), own: Vec::new(), cookie: None }
    }

    /// Adds one header of this request alone.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.own.push((name, value));
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
    pub fn len(&self) -> usize {
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

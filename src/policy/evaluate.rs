//! What a request must meet.

use super::demand::Demand;
use super::request::CanonicalRequest;
use super::route::Route;
use super::{Facts, Policy};

impl Policy {
    /// What this request must meet, as far as these facts go. No I/O; no allocation on plain paths.
    #[must_use]
    pub fn demand(&self, route: &Route, request: &CanonicalRequest, facts: &Facts<'_>) -> Demand {
        let _ = (route, request, facts);
        Demand::DENY
    }
}

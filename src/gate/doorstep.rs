//! Where somebody goes whom nobody knows, on routes whose app has a sign-in of its own.
//!
//! To the app's own page, with where they were going in its address, or to the browser's own question
//! for a name and a password. Both are the configuration's words on the request's own site; nothing a
//! client sends chooses the place (security.md G01, G02).

use http::request::Parts;
use http::{Response, StatusCode};

use super::answer::{Problem, from_page, query_value, reference, with_challenge};
use super::{Gate, client};
use crate::config::settings::AppSession;
use crate::identity::Doorstep;
use crate::policy::{CanonicalRequest, Route};
use crate::upstream::Body;

impl Gate {
    /// The answer to a request of nobody known; `None` where our own sign-in is asked.
    pub(super) fn at_the_doorstep(
        &self,
        parts: &Parts,
        request: &CanonicalRequest,
        route: &Route,
        person: bool,
    ) -> Option<Response<Body>> {
        match self.sources.doorstep(route.identity)? {
            Doorstep::Ours => None,
            Doorstep::Page(page) => {
                let target = sign_in_page(page, request);
                let place = format!("{}{target}", self.origin_of(&request.host));
                if !person {
                    let problem = unknown().with("challenge_url", place);
                    return Some(with_challenge(problem.response(&reference()), "Bearer realm=\"stepgate\""));
                }
                if path(&target) != request.target.path() {
                    return Some(self.answers.see_other(&place, Vec::new()));
                }
                // The page itself is closed: `check` has warned of it.
                tracing::warn!(route = &*route.name, "nobody can see the app's sign-in page");
                Some(from_page(self.answers.pages().sign_in_elsewhere(&route.name, &reference())))
            }
            Doorstep::Basic(realm) => {
                let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
                let answer = if client::navigates(&parts.headers) {
                    from_page(self.answers.pages().sign_in_elsewhere(&route.name, &reference()))
                } else {
                    unknown().response(&reference())
                };
                Some(with_challenge(answer, &challenge))
            }
        }
    }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "sign_in_required", "Sign in first")
        .with("detail", "The request carries nothing that says who it is from.")
}

/// The app's page. Only what may be fetched again is somewhere to come back to, and nothing that a
/// careless app would take for another site (security.md G01).
fn sign_in_page(page: &str, request: &CanonicalRequest) -> String {
    let target = request.target.as_str();
    let target = if client::is_safe(&request.method) && !target.starts_with("//") {
        target
    } else {
        "/"
    };
    page.replace(AppSession::TARGET, &query_value(target))
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

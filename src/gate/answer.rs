//! The gate's own answers: to people a page or a redirect, to everything else problem+json.
//!
//! One place turns a refusal into HTTP. No answer repeats anything the client sent, and every one
//! carries a reference that the log has too.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::client;
use super::pages::{Page, Pages};
use crate::ambient::{self, UnixTime};
use crate::config::settings::LevelId;
use crate::config::{FactorKind, Settings};
use crate::policy::{Accepted, CanonicalRequest, LevelSet, Policy};
use crate::upstream::Body;

const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Eight characters that tie an answer to its log line.
#[must_use]
pub fn reference() -> String {
    ambient::random_bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Escaped for the value of a query parameter.
#[must_use]
pub fn query_value(text: &str) -> String {
    utf8_percent_encode(text, QUERY_VALUE).to_string()
}

/// Draws answers for one configuration.
pub struct Answers {
    pages: Arc<dyn Pages>,
    /// Origin and prefix of the portal's pages.
    portal: String,
}

/// Why an answer is not an allow: rides along with it for doors that have to tell another proxy.
/// Stable for scripts, the same words as `code` in problem documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub &'static str);

impl Reason {
    /// Who it is must be known first.
    pub const SIGN_IN: Self = Self("sign_in_required");
    /// More must be proved first.
    pub const PROOF: Self = Self("insufficient_user_authentication");
    /// Something that must be asked does not answer.
    pub const UNAVAILABLE: Self = Self("unavailable");
}

/// A problem details object (RFC 9457) in the making.
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    members: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// `code` is stable for scripts; `title` is for people.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, members: serde_json::Map::new() }
    }

    /// A further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// As a response with this reference.
    #[must_use]
    pub fn response(self, reference: &str) -> Response<Body> {
        let mut members = self.members;
        members.insert("type".to_owned(), json!(format!("urn:stepgate:problem:{}", self.code)));
        members.insert("code".to_owned(), json!(self.code));
        members.insert("title".to_owned(), json!(self.title));
        members.insert("status".to_owned(), json!(self.status.as_u16()));
        members.insert("request_id".to_owned(), json!(reference));
        let text = serde_json::Value::Object(members).to_string();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(Reason(self.code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        plain(headers);
        response
    }
}

/// What every answer of ours says to caches and browsers (security.md G08).
fn plain(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

impl Answers {
    #[must_use]
    pub fn new(pages: Arc<dyn Pages>, settings: &Settings) -> Self {
        let portal = format!("{}{}", settings.server.public_url.origin(), settings.server.prefix);
        Self { pages, portal }
    }

    /// The pages, for answers that are nothing but one.
    #[must_use]
    pub fn pages(&self) -> &dyn Pages {
        &*self.pages
    }

    /// `https://portal/.stepgate/NAME?query`.
    #[must_use]
    pub fn portal_url(&self, name: &str, parameter: &str, value: &str) -> String {
        format!("{}/{name}?{parameter}={}", self.portal, query_value(value))
    }

    /// A page for people, a problem for everything else.
    pub fn either(
        &self,
        headers: &HeaderMap,
        problem: Problem,
        page: impl FnOnce(&dyn Pages, &str) -> Page,
    ) -> Response<Body> {
        let reference = reference();
        if client::navigates(headers) {
            let mut response = from_page(page(&*self.pages, &reference));
            response.extensions_mut().insert(Reason(problem.code));
            response
        } else {
            problem.response(&reference)
        }
    }

    /// 429: this client's network has used up its share.
    #[must_use]
    pub fn too_many(&self, headers: &HeaderMap, retry_after: u32, now: UnixTime) -> Response<Body> {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests");
        let page = |pages: &dyn Pages, reference: &str| pages.too_many(retry_after, now, reference);
        let mut response = self.either(headers, problem, page);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
        response
    }

    /// The 401 of RFC 9470: names exactly one unmet level (decision 11), and what still helps to meet it.
    #[must_use]
    pub fn insufficient(
        &self,
        policy: &Policy,
        request: &CanonicalRequest,
        (next, accepted): (LevelId, &Accepted),
        origin: &str,
    ) -> Response<Body> {
        let level = policy.level_names(LevelSet::EMPTY.with(next)).next().unwrap_or_default();
        let factors: Vec<&str> = accepted.kinds().iter().map(FactorKind::name).collect();
        let max_age = policy.max_age(next);
        let mut problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            "A different or more recent proof is needed",
        )
        .with(
            "detail",
            "Prove one of `factors` at `challenge_url` or through the API, then send the request again.",
        )
        .with("level", level)
        .with("factors", factors)
        .with(
            "challenge_url",
            self.portal_url("challenge", "rd", &format!("{origin}{}", request.target)),
        );
        let properties: Vec<&str> = accepted.properties().names().collect();
        if !properties.is_empty() {
            problem = problem.with("properties", properties);
        }
        let mut challenge =
            format!("Bearer error=\"insufficient_user_authentication\", acr_values=\"{level}\"");
        if let Some(age) = max_age {
            problem = problem.with("max_age", age);
            challenge.push_str(&format!(", max_age=\"{age}\""));
        }
        with_challenge(problem.response(&reference()), &challenge)
    }

    /// 401 for someone who is not known at all.
    #[must_use]
    pub fn unknown(&self, request: &CanonicalRequest, origin: &str, local_sign_in: bool) -> Response<Body> {
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "sign_in_required", "Sign in first")
            .with("detail", "The request carries nothing that says who it is from.");
        if local_sign_in {
            let url = self.portal_url("sign-in", "rd", &format!("{origin}{}", request.target));
            problem = problem.with("challenge_url", url);
        }
        with_challenge(problem.response(&reference()), "Bearer realm=\"stepgate\"")
    }

    /// 303 within our own origins.
    #[must_use]
    pub fn see_other(&self, location: &str, cookies: Vec<HeaderValue>) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::SEE_OTHER;
        let headers = response.headers_mut();
        plain(headers);
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Locations are built from configuration and opaque ids; one that is no header value goes nowhere.
        if let Ok(location) = HeaderValue::try_from(location) {
            headers.insert(header::LOCATION, location);
        }
        for cookie in cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// 503: fail closed.
    #[must_use]
    pub fn unavailable(&self, headers: &HeaderMap, why: &dyn std::fmt::Display) -> Response<Body> {
        let reference = reference();
        tracing::error!(request_id = %reference, %why, "a request could not be judged");
        let problem =
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "This cannot be checked right now");
        let mut response = if client::navigates(headers) {
            from_page(self.pages.unavailable(&reference))
        } else {
            problem.response(&reference)
        };
        response.extensions_mut().insert(Reason::UNAVAILABLE);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        response
    }
}

/// With what a client may answer a 401 by.
#[must_use]
pub fn with_challenge(mut response: Response<Body>, challenge: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// A drawn page as a response of the data plane.
#[must_use]
pub fn from_page(page: Page) -> Response<Body> {
    page.map(|bytes: Bytes| Body::from(bytes))
}

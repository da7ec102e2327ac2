//! Problems as the API tells them: `application/problem+json` (RFC 9457) with a stable `code`.
//!
//! It is made in a handler and gets its reference from the layer around all of them; it never
//! repeats anything the client sent.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::visit::Entry;
use crate::ambient::UnixTime;
use crate::challenge::ChallengeError;
use crate::challenge::view::{Beginning, Cap, Locked, Outcome};
use crate::delivery::Reason;
use crate::factors::Refusal;
use crate::gate::passage::{PassageError, TooMany};

/// Why a call did not do what it was for.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// For scripts; never changes.
    code: &'static str,
    title: &'static str,
    detail: &'static str,
    members: Map<String, Value>,
    /// For the log alone.
    cause: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self { status, code, title, detail, members: Map::new(), cause: None }
    }

    /// A further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The problem with an answer that did not pass; `None` when it did.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a list: one problem for each outcome")]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match outcome {
            Outcome::Passed { .. } | Outcome::Saved => None,
            Outcome::Malformed(_) => Some(Self::new(
                unprocessable,
                "code_malformed",
                "The code has not the right shape",
                "It was not compared and not counted.",
            )),
            Outcome::Wrong { attempts_left } => Some(
                Self::new(unprocessable, "code_wrong", "The code is not right", "It was counted.")
                    .with("attempts_left", *attempts_left),
            ),
            Outcome::Used { attempts_left } => Some(
                Self::new(unprocessable, "code_used", "The code was used already", "Wait for the next one.")
                    .with("attempts_left", *attempts_left),
            ),
            Outcome::Denied { fraud, attempts_left } => Some(
                Self::new(unprocessable, "denied", "It was declined", "It was counted.")
                    .with("fraud", *fraud)
                    .with("attempts_left", *attempts_left),
            ),
            Outcome::Lapsed => Some(Self::new(
                unprocessable,
                "lapsed",
                "Nobody confirmed it there in time",
                "Nothing was counted. Begin it again, or choose another way.",
            )),
            Outcome::Barred => Some(Self::new(
                unprocessable,
                "barred",
                "The service has locked this person out",
                "Choose another way.",
            )),
            Outcome::Waiting => Some(Self::new(
                StatusCode::CONFLICT,
                "waiting",
                "It is not decided yet",
                "Ask again in two seconds or more.",
            )),
            Outcome::Again => Some(Self::new(
                StatusCode::CONFLICT,
                "asked_again",
                "One more answer is needed",
                "GET the challenge's way, and answer what `started` says.",
            )),
            Outcome::NotBegun => Some(Self::new(
                StatusCode::CONFLICT,
                "not_started",
                "Nothing has been begun that could be answered",
                "POST start first.",
            )),
            Outcome::Unavailable => Some(
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "service_unavailable",
                    "The service that judges did not answer",
                    "Nothing was counted. Try again, or choose another way.",
                )
                .with("retry_after", 5),
            ),
            Outcome::Taken => Some(Self::new(
                StatusCode::CONFLICT,
                "taken",
                "Somebody has enrolled this very thing already",
                "Use another.",
            )),
            Outcome::Unfit => Some(Self::new(
                unprocessable,
                "not_accepted",
                "An authenticator of this kind is not accepted here",
                "It was not counted. Use another one.",
            )),
            Outcome::Cloned { attempts_left } => Some(
                Self::new(
                    unprocessable,
                    "copied",
                    "There may be a copy of it, so it does not count",
                    "It was counted, and recorded. Choose another way.",
                )
                .with("attempts_left", *attempts_left),
            ),
            Outcome::Expired => Some(Self::new(
                StatusCode::GONE,
                "challenge_expired",
                "The challenge has run out",
                "Begin a new one with POST challenges.",
            )),
            Outcome::Locked(locked) => Some(Failure::Locked(*locked).into()),
        }
    }

    /// The problem with a beginning that began nothing.
    #[must_use]
    pub fn of_beginning(beginning: &Beginning) -> Self {
        match beginning {
            Beginning::NotYet { until, cap } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                if *cap == Cap::Resend { "sent_just_now" } else { "message_limit" },
                "Nothing is sent before `until`",
                "Answer what was sent before, or choose another way. `limit` says what holds it back.",
            )
            .with("limit", cap.name())
            .with("until", until.0),
            Beginning::Refused(reason) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_sent",
                "It could not be sent or asked",
                "`reason` says why. Choose another way, or try again later.",
            )
            .with("reason", reason.name())
            .with("certain", true),
            Beginning::Doubtful(started) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_sent",
                "Nobody knows whether it was sent",
                "The service did not say. If the code arrives it counts; else ask again from `until`, or choose another way.",
            )
            .with("reason", Reason::Unavailable.name())
            .with("certain", false)
            .with("until", started.again_at.unwrap_or(started.at).0),
            Beginning::Unknown => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_to_service",
                "The service behind this factor does not know the person",
                "Only an administrator can help, or another way.",
            ),
            _ => Self::new(
                StatusCode::GONE,
                "challenge_expired",
                "The challenge has run out",
                "Begin a new one with POST challenges.",
            ),
        }
    }

    /// The problem with a number or an address.
    #[must_use]
    pub fn of_detail(field: &'static str, why: Refusal) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "detail_refused",
            "This number or address cannot be used",
            "`field` says which, `reason` says why.",
        )
        .with("field", field)
        .with("reason", why.name())
    }

    fn into_json(mut self, reference: &str) -> Response {
        if let Some(why) = &self.cause {
            tracing::error!(request_id = %reference, %why, "An API call could not be served.");
        }
        let members = [
            ("type", json!(format!("urn:stepgate:problem:{}", self.code))),
            ("title", json!(self.title)),
            ("status", json!(self.status.as_u16())),
            ("detail", json!(self.detail)),
            ("code", json!(self.code)),
            ("request_id", json!(reference)),
        ];
        for (name, value) in members {
            self.members.insert(name.to_owned(), value);
        }
        let retry_after = self.members.get("retry_after").and_then(Value::as_i64);
        let mut response = Response::new(Body::from(Value::Object(self.members).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (code, title, detail) = match &failure {
            Failure::Unavailable(_) => {
                ("unavailable", "This cannot be checked right now", "Try again in a few seconds.")
            }
            Failure::Busy => {
                ("busy", "Too many people are signing in right now", "Try again in a few seconds.")
            }
            Failure::BadRequest(detail) => ("bad_request", "The request is not acceptable", *detail),
            Failure::Foreign => (
                "foreign_origin",
                "The request comes from another origin",
                "Call from the portal's own origin.",
            ),
            Failure::SignInRequired => (
                "sign_in_required",
                "Sign in first",
                "The request carries nothing that says who it is from.",
            ),
            Failure::SignInFailed => (
                "sign_in_failed",
                "The user name and the password do not match",
                "Nothing more is said about why.",
            ),
            Failure::NotFound => {
                ("not_found", "There is nothing here", "It does not exist, or it is not yours.")
            }
            Failure::NotAllowed => ("not_allowed", "This is not allowed", "No proof will help."),
            Failure::InvitationNeeded => (
                "invitation_needed",
                "An invitation is needed",
                "Send its token as `invitation` with POST enrolments.",
            ),
            Failure::ProofNeeded => (
                "proof_needed",
                "A fresh proof is needed",
                "POST challenges without `return`, answer it, and repeat the call within five minutes.",
            ),
            Failure::TooMany { .. } => {
                ("too_many_requests", "Too many requests", "Wait `retry_after` seconds.")
            }
            Failure::Locked(Locked::Until(_)) => {
                ("locked", "Too many wrong answers", "No answer is judged until `until`.")
            }
            Failure::Locked(Locked::Stopped) => (
                "stopped",
                "Sign-ins to this account are stopped",
                "The person has said that something was not them. Only an administrator can help.",
            ),
            Failure::Locked(Locked::Hard) => {
                ("locked_hard", "Too many wrong answers in a row", "Only an administrator can help.")
            }
        };
        let problem = Self::new(failure.status(), code, title, detail);
        match failure {
            Failure::Unavailable(why) => Self { cause: Some(why), ..problem.with("retry_after", 5) },
            Failure::Busy => problem.with("retry_after", 5),
            Failure::TooMany { retry_after } => problem.with("retry_after", retry_after.max(1)),
            Failure::Locked(Locked::Until(until)) => problem.with("until", until.0),
            Failure::Locked(Locked::Hard) => problem.with("retry_after", 86_400),
            _ => problem,
        }
    }
}

impl From<PassageError> for Problem {
    fn from(error: PassageError) -> Self {
        Failure::from(error).into()
    }
}

impl From<ChallengeError> for Problem {
    fn from(error: ChallengeError) -> Self {
        Failure::from(error).into()
    }
}

impl From<TooMany> for Problem {
    fn from(error: TooMany) -> Self {
        Failure::from(error).into()
    }
}

/// Gives every failure its body and every answer its headers.
pub async fn tell(now: impl Fn() -> UnixTime, request: Request, next: Next) -> Response {
    let reference = request
        .extensions()
        .get::<Entry>()
        .map_or_else(String::new, |entry| entry.reference.clone());
    let mut response = next.run(request).await;
    let failure = response.extensions_mut().remove::<Failure>().map(Problem::from);
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>().or(failure) {
        if let Some(until) = problem.members.get("until").and_then(Value::as_i64) {
            problem = problem.with("retry_after", UnixTime(until).since(now()).max(1));
        }
        response = problem.into_json(&reference);
    } else if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let title = "This method is not possible here";
        let detail = "`openapi.json` lists what is.";
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, detail);
        let allow = response.headers().get(http::header::ALLOW).cloned();
        response = problem.into_json(&reference);
        if let Some(allow) = allow {
            response.headers_mut().insert(http::header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

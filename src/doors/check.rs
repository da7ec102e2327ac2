//! Checks over HTTP: another proxy asks before it forwards (ux.md 4.1).
//!
//! 200 with an empty body and every identity header is the only answer that lets a request pass,
//! and it costs a permit. Whatever else the gate says leaves here as something that every proxy
//! takes for a no, with `Stepgate-Reason` for its log. No cookie is ever set with a 200.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::reverse_proxy::after_unread;
use super::{Checks, asked};
use crate::gate::Judgement;
use crate::gate::answer::Reason;
use crate::policy::{Door, Permit};
use crate::upstream::{Body, Outgoing, Peer};

const REASON: HeaderName = HeaderName::from_static("stepgate-reason");

/// Answers one check.
pub(super) async fn answer(
    judge: &impl Checks,
    (door, at): (Door, usize),
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let answer = match asked::read(door, at, &parts) {
        Ok(asked) => match judge.check(door, asked, &mut parts, peer).await.0 {
            Judgement::Forward { permit, outgoing, .. } => allow(permit, &outgoing),
            Judgement::Answer(answer) => refuse(door, answer),
            Judgement::Portal | Judgement::LogIn(_) => refuse(door, judge.nothing(&parts.headers)),
        },
        Err(unclear) => refuse(door, judge.unclear(door, unclear)),
    };
    after_unread(answer, &parts, Some(body)).await
}

/// 200: the other proxy may send exactly this request on, once, with these headers.
fn allow(_used_up: Permit, outgoing: &Outgoing) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.reserve(outgoing.count() + 2);
    for (name, value) in outgoing.iter() {
        headers.insert(name, value.clone());
    }
    response
}

/// Anything but 200, as this proxy understands it.
pub(super) fn refuse(door: Door, mut answer: Response<Body>) -> Response<Body> {
    let reason = reason(&answer);
    if answer.status().is_success() || answer.status().is_informational() {
        // No page of ours is an allow, whatever its status.
        *answer.status_mut() = StatusCode::FORBIDDEN;
    }
    if door == Door::Nginx {
        for_nginx(&mut answer);
    }
    let headers = answer.headers_mut();
    // It was about the client's connection; this one is the proxy's.
    headers.remove(CONNECTION);
    headers.insert(REASON, HeaderValue::from_static(reason));
    answer
}

/// Why, in the words of problem documents.
pub(super) fn reason(answer: &Response<Body>) -> &'static str {
    answer.extensions().get::<Reason>().map_or("refused", |reason| reason.0)
}

/// `auth_request` knows 401, 403 and failure, and reads no body.
fn for_nginx(answer: &mut Response<Body>) {
    let status = answer.status();
    *answer.status_mut() = if status.is_redirection() || status == StatusCode::UNAUTHORIZED {
        StatusCode::UNAUTHORIZED
    } else if status.is_client_error() {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    *answer.body_mut() = Body::Empty;
    answer.headers_mut().remove(CONTENT_TYPE);
}

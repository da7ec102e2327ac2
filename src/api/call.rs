//! One call: who makes it, and the JSON it carries (security.md G04).
//!
//! A call that changes something is same-origin or comes from a client that is no browser, and
//! carries `application/json`, which no form can send. There is no other way to a [`Call`].

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use axum::response::{IntoResponse as _, Response};

use super::failure::Failure;
use super::problem::Problem;
use super::services::Services;
use super::visit::Visit;

/// A call with a JSON body.
pub struct Call<T> {
    pub visit: Visit,
    pub body: T,
}

impl<S, T> FromRequest<S> for Call<T>
where
    S: Send + Sync,
    Services: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Bare(visit) = Bare::from_request_parts(&mut parts, state).await?;
        if !is_json(&parts.headers) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "The body is not JSON",
                "Send `Content-Type: application/json`.",
            ));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let bytes = bytes.map_err(|_| Failure::BadRequest("the body could not be read"))?;
        let body = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::BadRequest("the body is not what `openapi.json` describes"))?;
        Ok(Self { visit, body })
    }
}

/// A call that changes something and carries no body.
pub struct Bare(pub Visit);

impl<S> FromRequestParts<S> for Bare
where
    S: Send + Sync,
    Services: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Failure> {
        let visit = Visit::from_request_parts(parts, state).await?;
        if visit.same_origin == Some(false) {
            return Err(Failure::Foreign);
        }
        Ok(Self(visit))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    kind.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
}

/// What a handler of the API answers with.
pub type Reply = Result<Response, Problem>;

/// A JSON answer, with cookies to set.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize, cookies: Vec<HeaderValue>) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g04_only_json_is_json() {
        let kind = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_json(&headers)
        };
        assert!(kind("application/json") && kind("Application/JSON; charset=utf-8"));
        for form in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "text/plain;application/json",
        ] {
            assert!(!kind(form), "{form}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}

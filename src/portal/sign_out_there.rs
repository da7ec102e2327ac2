//! A provider says that somebody has signed out there. No page and no person: nothing of a session is read,
//! and what a stranger says ends nothing.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::state::Portal;
use crate::api::{Entry, Failure};
use crate::gate::passage::SignedOutThere;

/// Longer than any provider's name of a session.
const LONGEST_SESSION: usize = 255;

/// A logout token, by POST from the provider itself (Back-Channel Logout 1.0, 2.5 to 2.8). Not counted per
/// network: nothing is written before the provider's signature holds, and a provider where many people are
/// signed out at once speaks for all of them from one address.
pub async fn back_channel(
    State(portal): State<Portal>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    {
        return Ok(answer(&portal, StatusCode::BAD_REQUEST));
    }
    let mut tokens = form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token");
    let (Some((_, token)), None) = (tokens.next(), tokens.next()) else {
        return Ok(answer(&portal, StatusCode::BAD_REQUEST));
    };
    let done = portal.services.passage.signed_out_there(&source, &token).await?;
    Ok(match done {
        SignedOutThere::Done => answer(&portal, StatusCode::OK),
        SignedOutThere::Refused => answer(&portal, StatusCode::BAD_REQUEST),
        SignedOutThere::Unknown => return Err(Failure::NotFound),
    })
}

/// An empty page in a frame of the provider's (Front-Channel Logout 1.0, 2): the one page of ours that another
/// site may have in a frame, and only that one.
pub async fn front_channel(
    State(portal): State<Portal>,
    Path(source): Path<String>,
    Extension(entry): Extension<Entry>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let passage = &portal.services.passage;
    passage.admit(passage.client(entry.peer, &headers))?;
    let query = query.unwrap_or_default();
    let one = |name: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        values
            .next()
            .map(|(_, value)| value.into_owned())
            .filter(|_| values.next().is_none())
    };
    let (issuer, session) = (one("iss").unwrap_or_default(), one("sid").unwrap_or_default());
    if session.len() > LONGEST_SESSION {
        return Ok(answer(&portal, StatusCode::BAD_REQUEST));
    }
    let done = passage.signed_out_in_frame(&source, &issuer, &session).await?;
    let mut response = match done {
        SignedOutThere::Done => answer(&portal, StatusCode::OK),
        SignedOutThere::Refused => answer(&portal, StatusCode::BAD_REQUEST),
        SignedOutThere::Unknown => return Err(Failure::NotFound),
    };
    if let Some(origin) = passage.provider_origin(&source)
        && let Ok(policy) = HeaderValue::try_from(format!("default-src 'none'; frame-ancestors {origin}"))
    {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response.headers_mut().remove(X_FRAME_OPTIONS);
    }
    Ok(response)
}

/// An answer to a program.
fn answer(portal: &Portal, status: StatusCode) -> Response {
    let mut response = if status == StatusCode::OK {
        Response::new(Body::empty())
    } else {
        axum::Json(serde_json::json!({ "error": "invalid_request" })).into_response()
    };
    *response.status_mut() = status;
    portal.frame.protect(response.headers_mut());
    response
}

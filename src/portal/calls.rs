//! Where vendors ask during a call what to say. No page and no person: nothing of a session is read.
//!
//! Whoever cannot sign is told nothing; neither the address nor what is said at it is ever logged.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::state::Portal;
use crate::api::Failure;
use crate::delivery::receipts::{NotTaken, Report};

/// One question of a vendor's.
pub async fn say(
    State(portal): State<Portal>,
    Path((sender, token)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    let report = Report { is_post: method == Method::POST, query: &query, headers: &headers, body: &body };
    let told = portal.services.challenges.said_in_call(&sender, &token, &report).await?;
    Ok(match told {
        Ok(reply) => {
            let headers = [
                (header::CONTENT_TYPE, reply.content_type),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, reply.body).into_response()
        }
        Err(NotTaken::Unknown) => StatusCode::NOT_FOUND.into_response(),
        Err(NotTaken::NotGenuine) => StatusCode::FORBIDDEN.into_response(),
        Err(NotTaken::Unreadable) => StatusCode::BAD_REQUEST.into_response(),
    })
}

//! Where vendors report what became of a message. No page and no person: nothing of a session is read.
//!
//! Whoever cannot sign is not heard. The address that was signed is the configured one, never what
//! the request says of itself.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};

use super::state::Portal;
use crate::api::Failure;
use crate::delivery::receipts::{NotTaken, Report};

/// One receipt. Vendors ask again later unless it is taken.
pub async fn take(
    State(portal): State<Portal>,
    Path(sender): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    let query = query.unwrap_or_default();
    let report = Report { is_post: method == Method::POST, query: &query, headers: &headers, body: &body };
    let taken = portal.services.challenges.receipt(&sender, &report).await?;
    Ok(match taken {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(NotTaken::Unknown) => StatusCode::NOT_FOUND,
        Err(NotTaken::NotGenuine) => StatusCode::FORBIDDEN,
        Err(NotTaken::Unreadable) => StatusCode::BAD_REQUEST,
    })
}

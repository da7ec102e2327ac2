//! Where one is signed in: which sessions there are, ending one or all others.

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde_json::json;

use super::call::{Bare, Reply, json};
use super::failure::Failure;
use super::services::Services;
use super::visit::Visit;

/// One's own sessions, this one first, then the last seen.
pub async fn list(State(services): State<Services>, visit: Visit) -> Reply {
    visit.caller()?;
    let sessions = services.passage.sessions(&visit.visitor).await?;
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions }), Vec::new()))
}

/// Ends one of them.
pub async fn end(State(services): State<Services>, Path(id): Path<String>, Bare(visit): Bare) -> Reply {
    visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    if services.passage.end_one(&visit.visitor, &id).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Failure::NotFound.into())
    }
}

/// Ends all but this one.
pub async fn end_others(State(services): State<Services>, Bare(visit): Bare) -> Reply {
    visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    services.passage.end_others(&visit.visitor).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

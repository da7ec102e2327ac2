//! Browsers in which a person is not asked again: which there are, and trusting one no more.

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde_json::json;

use super::call::{Bare, Reply, json};
use super::failure::Failure;
use super::services::Services;
use super::visit::Visit;
use crate::policy::TrustId;

/// One's own trusted browsers, the last used first.
pub async fn list(State(services): State<Services>, visit: Visit) -> Reply {
    let browsers = services.challenges.trusted_browsers(visit.caller()?).await?;
    Ok(json(StatusCode::OK, &json!({ "browsers": browsers }), Vec::new()))
}

/// Trusts one no more; what it brought back counts no more either.
pub async fn forget(State(services): State<Services>, Path(id): Path<String>, Bare(visit): Bare) -> Reply {
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    if services.challenges.distrust(caller, &TrustId(id.into())).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Failure::NotFound.into())
    }
}

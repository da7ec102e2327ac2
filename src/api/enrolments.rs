//! Add, confirm, list and remove one's own factors: the enrolment pages' steps as JSON.

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::call::{Bare, Call, Reply, json};
use super::failure::Failure;
use super::problem::Problem;
use super::services::Services;
use super::visit::Visit;
use crate::challenge::view::Outcome;
use crate::config::FactorKind;
use crate::factors::{Answer, SAVED};
use crate::policy::EnrolmentId;

/// `POST enrolments`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    factor: FactorKind,
    /// The token of an invitation, for a first factor.
    invitation: Option<String>,
}

/// `POST enrolments/{id}/confirm`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    code: Option<String>,
    /// Instead of a code where there is nothing to prove: recovery codes are saved.
    #[serde(default)]
    saved: bool,
    #[serde(default)]
    name: String,
}

/// The caller's own factors.
pub async fn list(State(services): State<Services>, visit: Visit) -> Reply {
    let enrolments = services.challenges.enrolments(visit.caller()?).await?;
    Ok(json(StatusCode::OK, &json!({ "enrolments": enrolments }), Vec::new()))
}

/// Makes the secret of a new one and shows it, once, until it is confirmed.
pub async fn begin(State(services): State<Services>, call: Call<Begin>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    if let Some(invitation) = &body.invitation {
        // One that was taken already permits as before; whether it does is asked below.
        services.challenges.redeem_invitation(caller, invitation).await?;
    }
    let pending = services.challenges.begin_enrolment(caller, body.factor).await?;
    Ok(json(StatusCode::CREATED, &pending, Vec::new()))
}

/// Confirms it; a code makes a proof at once.
pub async fn confirm(State(services): State<Services>, Path(id): Path<String>, call: Call<Confirm>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let code = match (body.code, body.saved) {
        (Some(code), false) => code,
        (None, true) => SAVED.to_owned(),
        _ => return Err(Failure::BadRequest("either `code` or `saved` is needed").into()),
    };
    let outcome = services
        .challenges
        .confirm_enrolment(caller, &id, &body.name, Answer::Code(code))
        .await?;
    let outcome = outcome.ok_or(Failure::NotFound)?;
    if let Some(problem) = Problem::of(&outcome) {
        return Err(problem);
    }
    match outcome {
        Outcome::Passed { proof, browser, .. } => {
            let arrival = services
                .passage
                .arrive(&visit.visitor, Some(proof.clone()), browser, None)
                .await?;
            let body = json!({ "enrolment": proof.enrolment, "factor": proof.factor, "at": proof.at });
            Ok(json(StatusCode::OK, &body, arrival.cookies))
        }
        _ => Ok(json(StatusCode::OK, &json!({ "enrolment": null }), Vec::new())),
    }
}

/// Removes one; what was proved with it counts no more.
pub async fn remove(State(services): State<Services>, Path(id): Path<String>, Bare(visit): Bare) -> Reply {
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    if services.challenges.remove(caller, &EnrolmentId(id.into())).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Failure::NotFound.into())
    }
}

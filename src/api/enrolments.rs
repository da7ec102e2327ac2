//! Add, confirm, list and remove one's own factors: the enrolment pages' steps as JSON.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;

use super::call::{Bare, Call, Reply, json};
use super::failure::Failure;
use super::problem::Problem;
use super::services::Services;
use super::visit::Visit;
use crate::challenge::ChallengeError;
use crate::challenge::view::{self, Beginning, Outcome, StartedView};
use crate::config::FactorKind;
use crate::factors::{Answer, EnrolError, SAVED, Setup};
use crate::policy::EnrolmentId;

/// `POST enrolments`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    factor: FactorKind,
    /// The token of an invitation, for a first factor.
    invitation: Option<String>,
    /// A telephone number, and the country it is of where it has no prefix.
    number: Option<String>,
    country: Option<String>,
    /// A mail address.
    address: Option<String>,
}

impl Begin {
    fn details(&self) -> BTreeMap<String, String> {
        [
            ("number", &self.number),
            ("country", &self.country),
            ("address", &self.address),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }
}

/// `POST enrolments/{id}/confirm`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    code: Option<String>,
    /// The browser's credential, as its `toJSON` makes it.
    credential: Option<serde_json::Value>,
    /// Instead of an answer: whether it has been decided on another device.
    #[serde(default)]
    ask: bool,
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
    let beginning = services.challenges.begin_enrolment(caller, body.factor, &body.details()).await;
    let mut pending = match beginning {
        Err(ChallengeError::Enrol(EnrolError::Detail { field, why })) => {
            return Err(Problem::of_detail(field, why));
        }
        other => other?,
    };
    if matches!(pending.setup, Setup::Sent { .. }) {
        pending.started = Some(begun(&services, &visit, &pending.id, "").await?);
    }
    Ok(json(StatusCode::CREATED, &pending, Vec::new()))
}

/// `POST enrolments/{id}/start`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    #[serde(default)]
    choice: String,
}

/// Begins what the confirmation needs, or sends its code again.
pub async fn start(State(services): State<Services>, Path(id): Path<String>, call: Call<Start>) -> Reply {
    services.passage.admit(call.visit.visitor.address)?;
    let started = begun(&services, &call.visit, &id, &call.body.choice).await?;
    Ok(json(StatusCode::OK, &json!({ "started": started }), Vec::new()))
}

async fn begun(services: &Services, visit: &Visit, id: &str, choice: &str) -> Result<StartedView, Problem> {
    let start = view::Start { choice: choice.to_owned(), onward: String::new() };
    let begun = services.challenges.start_enrolment(visit.caller()?, id, &start).await?;
    match begun.ok_or(Failure::NotFound)? {
        Beginning::Begun(started) => Ok(started),
        other => Err(Problem::of_beginning(&other)),
    }
}

/// Confirms it; a code makes a proof at once.
pub async fn confirm(State(services): State<Services>, Path(id): Path<String>, call: Call<Confirm>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let answer = match (body.code, body.credential, body.ask, body.saved) {
        (Some(code), None, false, false) => Answer::Code(code),
        (None, Some(credential), false, false) => Answer::Ceremony(credential.to_string()),
        (None, None, true, false) => Answer::Ask,
        (None, None, false, true) => Answer::Code(SAVED.to_owned()),
        _ => {
            let why = "one of `code`, `credential`, `ask` and `saved` is needed";
            return Err(Failure::BadRequest(why).into());
        }
    };
    let outcome = services.challenges.confirm_enrolment(caller, &id, &body.name, answer).await?;
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

/// `PATCH enrolments/{id}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    name: Option<String>,
    /// To be asked for first; there is no way to ask for nothing first.
    #[serde(default)]
    is_default: bool,
}

/// Gives one another name, or makes it the one to be asked for first.
pub async fn change(State(services): State<Services>, Path(id): Path<String>, call: Call<Changes>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let id = EnrolmentId(id.into());
    let mut found = body.name.is_some() || body.is_default;
    if let Some(name) = &body.name {
        found &= services.challenges.rename(caller, &id, name).await?;
    }
    if body.is_default {
        found &= services.challenges.prefer(caller, &id).await?;
    }
    if found {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Failure::NotFound.into())
    }
}

/// Removes one; what was proved with it counts no more.
pub async fn remove(State(services): State<Services>, Path(id): Path<String>, Bare(visit): Bare) -> Reply {
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    if services.challenges.remove(caller, &EnrolmentId(id.into())).await? {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(renewed) = services.passage.renew(&visit.visitor).await? {
            response.headers_mut().append(SET_COOKIE, renewed);
        }
        Ok(response)
    } else {
        Err(Failure::NotFound.into())
    }
}

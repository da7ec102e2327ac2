//! After a passkey was made (ux.md P-22): what it is called, and whether other devices have it, too.
//!
//! The passkey counts already. Whoever leaves this page keeps it, under the name that was proposed.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::detour::{Detour, Reply, page};
use super::enrol::{may_change, next};
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::enrol::NewPasskey;
use super::views::{Hidden, Problem};
use crate::api::{Failure, Visit};
use crate::challenge::ChallengeError;
use crate::challenge::view::{Caller, EnrolmentView};
use crate::config::FactorKind;
use crate::policy::EnrolmentId;

/// Where this page is for an enrolment, below the prefix.
pub fn place(id: &EnrolmentId) -> String {
    format!("my-mfa/new-passkey/{}", id.0)
}

/// The name that is proposed, and what else there is to know.
pub async fn show(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    params: Params,
    visit: Visit,
) -> Reply {
    let caller = portal.signed_in(&visit, &params.onward)?;
    let new = own(&portal, caller, &id).await?;
    let name = new.passkey.name.clone();
    Ok(form(&portal, &visit, &params.onward, &new, name, None))
}

/// Another name, or the same; then on with what the passkey was made for.
pub async fn submit(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    params: Params,
    posted: Posted,
) -> Reply {
    let Posted { visit, fields } = posted;
    let onward = &params.onward;
    let caller = portal.signed_in(&visit, onward)?;
    let new = own(&portal, caller, &id).await?;
    let passkey = &new.passkey;
    let name = fields.get("name").trim();
    if name != passkey.name {
        may_change(&portal, caller, onward, &place(&passkey.id)).await?;
        match portal.services.challenges.rename(caller, &passkey.id, name).await {
            Ok(_) => {}
            Err(ChallengeError::BadName) => {
                let why = if name.is_empty() {
                    text::NAME_EMPTY
                } else {
                    text::NAME_LONG
                };
                let problem = Some(Problem::new("name", why));
                return Ok(form(&portal, &visit, onward, &new, name.to_owned(), problem));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Detour::To(next(&portal, caller, onward).await?))
}

/// A passkey of the caller's, and whether it is all that they have for every day.
struct New {
    passkey: EnrolmentView,
    alone: bool,
}

async fn own(portal: &Portal, caller: &Caller, id: &str) -> Result<New, Failure> {
    let enrolments = portal.services.challenges.enrolments(caller).await?;
    let alone = enrolments.iter().filter(|one| !one.factor.is_spare()).count() == 1;
    let passkey = enrolments
        .into_iter()
        .find(|one| *one.id.0 == *id && one.factor == FactorKind::Passkey);
    Ok(New { passkey: passkey.ok_or(Failure::NotFound)?, alone })
}

fn form(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    New { passkey, alone }: &New,
    name: String,
    problem: Option<Problem>,
) -> Response {
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let view = NewPasskey {
        shell: portal.shell(text::PASSKEY_ADDED, visit).failed(problem.is_some()),
        action: onward.journey_only().on(&portal.frame.url(&place(&passkey.id))),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visit.visitor)),
        stays: passkey.stays,
        alone: *alone,
        name,
        problem,
    };
    page(portal.frame.page(status, &view), Vec::new())
}

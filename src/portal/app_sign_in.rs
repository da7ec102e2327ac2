//! What an app knows a person by: asked once, kept sealed, and forgotten when they say so.
//!
//! Only for apps that are configured so, and only for somebody who has passed there. It is never shown again.

use axum::extract::{Path, State};
use http::StatusCode;
use secrecy::SecretString;

use super::detour::{Detour, Reply, page};
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::sign_in::AppSignIn;
use super::views::{Hidden, Problem};
use crate::api::{Failure, Visit};
use crate::gate::passage::Journey;

/// The form.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    let journey = passed(&portal, &visit, &params.onward).await?;
    let refused = portal.services.passage.app_refused(&visit.visitor, &journey).await?;
    let problem = refused.then(|| Problem::new("username", text::APP_SIGN_IN_REFUSED));
    Ok(form(&portal, &visit, &params.onward, &journey, String::new(), problem))
}

/// Keeps what was typed and goes on to the app.
pub async fn submit(State(portal): State<Portal>, params: Params, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let passage = &portal.services.passage;
    passage.admit(visit.visitor.address)?;
    let journey = passed(&portal, &visit, &params.onward).await?;
    let (username, password) = (fields.get("username").trim(), fields.get("password"));
    if username.is_empty() || password.is_empty() || username.len() > 256 || password.len() > 1024 {
        let problem = Some(Problem::new("username", text::SIGN_IN_EMPTY));
        return Ok(form(&portal, &visit, &params.onward, &journey, username.to_owned(), problem));
    }
    let password = SecretString::from(password);
    passage
        .keep_app_credential(&visit.visitor, &journey, username, &password)
        .await?;
    Err(Detour::To(params.onward.journey_only().on(&portal.frame.url("challenge"))))
}

/// Forgets it: one click, since the app will simply ask again.
pub async fn forget(State(portal): State<Portal>, Path(route): Path<String>, posted: Posted) -> Reply {
    portal.signed_in(&posted.visit, &Onward::default().toward("my-mfa"))?;
    portal
        .services
        .passage
        .forget_app_credential(&posted.visit.visitor, &route)
        .await?;
    Err(Detour::To(portal.frame.url("my-mfa?done=app-forgotten")))
}

/// The journey to an app that wants a credential, of somebody from whom nothing else is missing there.
async fn passed(portal: &Portal, visit: &Visit, onward: &Onward) -> Result<Journey, Detour> {
    let caller = portal.signed_in(visit, onward)?;
    let journey = portal.journey(onward).await?.ok_or(Failure::NotFound)?;
    let passage = &portal.services.passage;
    if !passage.wants_app_credential(&journey) {
        return Err(Failure::NotFound.into());
    }
    if !passage.has_passed(caller, &journey).await? {
        return Err(Detour::To(onward.on(&portal.frame.url("challenge"))));
    }
    Ok(journey)
}

fn form(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    journey: &Journey,
    username: String,
    problem: Option<Problem>,
) -> axum::response::Response {
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let view = AppSignIn {
        shell: portal.shell(text::app_sign_in(&journey.app), visit).failed(problem.is_some()),
        action: onward.on(&portal.frame.url("app-sign-in")),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visit.visitor)),
        app: journey.app.clone(),
        username,
        problem,
    };
    page(portal.frame.page(status, &view), Vec::new())
}

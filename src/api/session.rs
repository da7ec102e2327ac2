//! Sign in, who am I, sign out.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, Reply, json};
use super::failure::Failure;
use super::services::Services;
use super::visit::Visit;
use crate::challenge::view::Caller;
use crate::gate::passage::SignIn;

/// `POST sign-in`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: String,
}

/// `POST sign-out`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOut {
    #[serde(default)]
    everywhere: bool,
}

/// The first factor, for people who sign in here.
pub async fn sign_in(State(services): State<Services>, call: Call<Credentials>) -> Reply {
    let Call { visit, body } = call;
    services.passage.admit(visit.visitor.address)?;
    if !services.passage.has_local_sign_in() {
        return Err(Failure::NotFound.into());
    }
    match services.passage.sign_in(&visit.visitor, &body.username, &body.password).await? {
        SignIn::Welcome { cookies, caller } => Ok(json(StatusCode::OK, &person(&caller), cookies)),
        SignIn::Refused => Err(Failure::SignInFailed.into()),
        SignIn::Locked(locked) => Err(Failure::Locked(locked).into()),
    }
}

/// Who is there, and what they have proved.
pub async fn session(visit: Visit) -> Reply {
    let body = visit
        .visitor
        .caller
        .as_ref()
        .map_or_else(|| json!({ "signed_in": false }), person);
    Ok(json(StatusCode::OK, &body, Vec::new()))
}

/// Ends this session, or all of the person's.
pub async fn sign_out(State(services): State<Services>, call: Call<SignOut>) -> Reply {
    let cookies = services.passage.sign_out(&call.visit.visitor, call.body.everywhere).await?;
    Ok(json(StatusCode::OK, &json!({ "signed_in": false }), cookies))
}

fn person(caller: &Caller) -> serde_json::Value {
    let proofs = caller
        .proofs
        .iter()
        .map(|proof| json!({ "factor": proof.factor, "enrolment": proof.enrolment, "at": proof.at }));
    json!({
        "signed_in": true,
        "subject": caller.identity.key.as_str(),
        "name": caller.identity.display_name(),
        "proofs": proofs.collect::<Vec<_>>(),
    })
}

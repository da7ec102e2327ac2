//! Sign in, who am I, sign out.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, Reply, json};
use super::failure::Failure;
use super::passwords::new_password_needed;
use super::problem::Problem;
use super::services::Services;
use super::visit::Visit;
use crate::challenge::view::Caller;
use crate::factors::Answer;
use crate::gate::passage::SignIn;
use crate::identity::{Stop, StopReason};

/// `POST sign-in`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: String,
}

/// `POST sign-in/passkey/start`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `POST sign-in/passkey`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    ceremony: String,
    /// The browser's credential, as its `toJSON` makes it.
    credential: serde_json::Value,
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
    if !services.passage.has_password_sign_in() {
        return Err(Failure::NotFound.into());
    }
    match services.passage.sign_in(&visit.visitor, &body.username, &body.password).await? {
        SignIn::Welcome { cookies, caller } => Ok(json(StatusCode::OK, &person(&caller), cookies)),
        SignIn::Refused { .. } | SignIn::Stale => Err(Failure::SignInFailed.into()),
        SignIn::Locked(locked) => Err(Failure::Locked(locked).into()),
        SignIn::Stopped(stop) => Err(stopped(&stop)),
        SignIn::NewPassword { ticket } => Err(new_password_needed(ticket)),
    }
}

/// The source of the password lets nobody in with it.
fn stopped(stop: &Stop) -> Problem {
    let (code, title, detail) = match stop.why {
        StopReason::MustChange => (
            "password_change_required",
            "The password must be changed first",
            "Change it where it is kept, named by `source`, and sign in with the new one.",
        ),
        StopReason::Barred => (
            "account_locked",
            "This account is locked or disabled",
            "Whoever runs what `source` names can say more.",
        ),
    };
    Problem::new(StatusCode::FORBIDDEN, code, title, detail).with("source", stop.source.as_str())
}

/// Begins a sign-in by passkey, in the browser whose cookie this sets or finds.
pub async fn begin_passkey(State(services): State<Services>, call: Call<Nothing>) -> Reply {
    services.passage.admit(call.visit.visitor.address)?;
    let (visitor, cookie) = services.passage.pre_session(call.visit.visitor);
    let begun = services
        .passage
        .begin_passkey_sign_in(&visitor, None)?
        .ok_or(Failure::NotFound)?;
    let body = json!({
        "ceremony": begun.ceremony,
        "options": begun.options,
        "expires_at": begun.expires_at,
    });
    Ok(json(StatusCode::OK, &body, cookie.into_iter().collect()))
}

/// The first factor and a proof in one.
pub async fn sign_in_by_passkey(State(services): State<Services>, call: Call<PasskeyAnswer>) -> Reply {
    let Call { visit, body } = call;
    services.passage.admit(visit.visitor.address)?;
    if !services.passage.has_password_sign_in() {
        return Err(Failure::NotFound.into());
    }
    let answer = Answer::Ceremony(body.credential.to_string());
    match services
        .passage
        .sign_in_by_passkey(&visit.visitor, &body.ceremony, answer)
        .await?
    {
        SignIn::Welcome { cookies, caller } => Ok(json(StatusCode::OK, &person(&caller), cookies)),
        SignIn::Refused { .. } | SignIn::Stale => Err(Failure::SignInFailed.into()),
        SignIn::Locked(locked) => Err(Failure::Locked(locked).into()),
        SignIn::Stopped(stop) => Err(stopped(&stop)),
        SignIn::NewPassword { ticket } => Err(new_password_needed(ticket)),
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
    let visitor = &call.visit.visitor;
    let elsewhere = services.passage.elsewhere(visitor).await?;
    let cookies = services.passage.sign_out(visitor, call.body.everywhere).await?;
    let mut body = json!({ "signed_in": false });
    if let (Some(url), Some(members)) = (elsewhere.and_then(|there| there.url), body.as_object_mut()) {
        members.insert("sign_out_url".to_owned(), json!(url));
    }
    Ok(json(StatusCode::OK, &body, cookies))
}

pub(super) fn person(caller: &Caller) -> serde_json::Value {
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

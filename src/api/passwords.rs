//! Another password: changed by its owner, wanted at sign-in, or by a mailed link, as the pages do it.

use axum::extract::State;
use axum::response::IntoResponse as _;
use http::StatusCode;
use serde::Deserialize;

use super::call::{Call, Reply, json};
use super::failure::Failure;
use super::problem::Problem;
use super::services::Services;
use super::session::person;
use crate::challenge::NewPassword;
use crate::gate::passage::SignIn;
use crate::identity::local::BadPassword;

/// `POST password`: exactly one of the first three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The password that there is, of whoever is signed in.
    current: Option<String>,
    /// From the problem that a sign-in ended with.
    ticket: Option<String>,
    /// From a mail.
    link: Option<String>,
    new: String,
}

/// `POST password/link`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskLink {
    username: String,
}

/// Puts another password in place; with a ticket, this goes on with the sign-in.
pub async fn change(State(services): State<Services>, call: Call<Change>) -> Reply {
    let Call { visit, body } = call;
    let (passage, visitor) = (&services.passage, &visit.visitor);
    passage.admit(visitor.address)?;
    let (outcome, signed_in) = match (body.current, body.ticket, body.link) {
        (Some(current), None, None) => {
            visit.caller()?;
            (passage.change_password(visitor, &current, &body.new).await?, None)
        }
        (None, Some(ticket), None) => passage.sign_in_anew(visitor, &ticket, &body.new).await?,
        (None, None, Some(link)) if services.challenges.mails_password_links() => {
            (passage.redeem_password_link(visitor, &link, &body.new).await?, None)
        }
        (None, None, Some(_)) => return Err(Failure::NotFound.into()),
        _ => return Err(Failure::BadRequest("one of `current`, `ticket` and `link` is needed").into()),
    };
    match (outcome, signed_in) {
        (NewPassword::Changed, Some(SignIn::Welcome { cookies, caller })) => {
            Ok(json(StatusCode::OK, &person(&caller), cookies))
        }
        (NewPassword::Changed, _) => Ok(StatusCode::NO_CONTENT.into_response()),
        (NewPassword::Locked(locked), _) => Err(Failure::Locked(locked).into()),
        (NewPassword::WrongNow, _) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_wrong",
            "The present password is not right",
            "It was counted.",
        )),
        (NewPassword::Gone, _) => Err(Problem::new(
            StatusCode::GONE,
            "gone",
            "What there was to choose a password with cannot be used any more",
            "Sign in again, or ask for another link.",
        )),
        (NewPassword::Unfit(bad), _) => Err(unfit(bad)),
    }
}

/// Has a link mailed, if there is somebody to mail it to; the answer is the same in any case.
pub async fn ask_link(State(services): State<Services>, call: Call<AskLink>) -> Reply {
    services.passage.admit(call.visit.visitor.address)?;
    if !services.challenges.mails_password_links() {
        return Err(Failure::NotFound.into());
    }
    services.passage.mail_password_link(&call.visit.visitor, &call.body.username);
    Ok(StatusCode::ACCEPTED.into_response())
}

/// The problem with a sign-in whose password was right and has to be replaced.
pub fn new_password_needed(ticket: String) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "new_password_needed",
        "Another password has to be chosen first",
        "POST password with this `ticket` and the new one, within ten minutes.",
    )
    .with("ticket", ticket)
}

fn unfit(bad: BadPassword) -> Problem {
    let reason = match bad {
        BadPassword::Short { .. } => "short",
        BadPassword::Long => "long",
        BadPassword::Simple => "simple",
        BadPassword::Personal => "personal",
        BadPassword::Service => "service",
        BadPassword::Known => "known",
        BadPassword::Same => "same",
        BadPassword::Unchecked | BadPassword::Hash => {
            return Failure::Unavailable(bad.to_string()).into();
        }
    };
    let problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "password_refused",
        "The new password cannot be taken",
        "`reason` says why.",
    );
    let problem = problem.with("reason", reason);
    match bad {
        BadPassword::Short { least } => problem.with("min_length", least),
        _ => problem,
    }
}

//! Begin, start and answer a challenge: the challenge page's steps as JSON.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, Reply, json};
use super::failure::Failure;
use super::problem::Problem;
use super::services::{Services, Standing};
use super::visit::Visit;
use crate::challenge::view::{Beginning, Caller, ChallengeView, Change, Outcome, Start, Way};
use crate::config::FactorKind;
use crate::factors::{Answer, Starts};
use crate::gate::passage::{Arrival, Journey};
use crate::policy::EnrolmentId;

/// `POST challenges`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Where the person is going: a path of the portal's origin, or a URL of a site of ours.
    /// Without it the challenge is for a fresh proof by any own factor.
    #[serde(rename = "return")]
    to: Option<String>,
}

/// `POST challenges/{id}/start`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    enrolment: EnrolmentId,
    /// Which of the ways within the way, where it has several.
    #[serde(default)]
    choice: String,
}

/// `POST challenges/{id}/answer`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    factor: Option<FactorKind>,
    enrolment: Option<EnrolmentId>,
    code: Option<String>,
    /// The browser's credential, as its `toJSON` makes it.
    credential: Option<serde_json::Value>,
    /// Instead of an answer: whether it has been decided on another device.
    #[serde(default)]
    ask: bool,
    /// Not to be asked again in this browser for as long as the challenge's `remember` says.
    #[serde(default)]
    remember: bool,
}

impl Answered {
    fn answer(&self) -> Result<Answer, Failure> {
        match (&self.code, &self.credential, self.ask) {
            (Some(code), None, false) => Ok(Answer::Code(code.clone())),
            (None, Some(credential), false) => Ok(Answer::Ceremony(credential.to_string())),
            (None, None, true) => Ok(Answer::Ask),
            _ => Err(Failure::BadRequest("one of `code`, `credential` and `ask` is needed")),
        }
    }
}

/// Opens a challenge, or says that nothing is missing.
pub async fn begin(State(services): State<Services>, call: Call<Begin>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let Some(to) = body.to else {
        let view = services.fresh_proof(caller, Change::Add, "api", "A fresh proof").await?;
        return Ok(json(StatusCode::CREATED, &view, Vec::new()));
    };
    let journey = services.passage.begin_journey(&to, "GET").await?;
    match services.standing(&visit.visitor, &journey).await? {
        Standing::Asked(view) => Ok(json(StatusCode::CREATED, &*view, Vec::new())),
        Standing::SignIn => Err(Failure::SignInRequired.into()),
        Standing::Denied => Err(Failure::NotAllowed.into()),
        Standing::BroughtBack(arrival) => Ok(clear(arrival)),
        Standing::Clear => {
            let arrival = services.passage.arrive(&visit.visitor, None, None, Some(&journey)).await?;
            Ok(clear(arrival))
        }
    }
}

/// Nothing is to be proved.
fn clear(arrival: Arrival) -> Response {
    let body = json!({ "id": null, "app": arrival.app, "levels": [], "ways": [], "return": arrival.next });
    json(StatusCode::OK, &body, arrival.cookies)
}

/// Chooses a way, and begins what it needs: a message, a ceremony. A code from an app needs
/// nothing, so this only says what to answer with.
pub async fn start(State(services): State<Services>, Path(id): Path<String>, call: Call<Begun>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let view = services.challenges.view(caller, &id).await?.ok_or(Failure::NotFound)?;
    let way = view.ways.iter().find(|way| way.enrolment == body.enrolment && way.accepted);
    let way = way.ok_or(Failure::NotFound)?;
    let mut told = json!({
        "enrolment": way.enrolment,
        "factor": way.factor,
        "prompt": way.prompt,
        "started": way.started,
        "expires_at": view.expires_at,
    });
    if way.starts == Starts::Never {
        return Ok(json(StatusCode::OK, &told, Vec::new()));
    }
    let start = Start { choice: body.choice, onward: String::new() };
    let begun = services.challenges.start(caller, &id, &way.enrolment, &start).await?;
    match begun.ok_or(Failure::NotFound)? {
        Beginning::Begun(started) => {
            if let Some(members) = told.as_object_mut() {
                members.insert("started".to_owned(), json!(started));
            }
            Ok(json(StatusCode::OK, &told, Vec::new()))
        }
        Beginning::Waived(outcome) => passed(&services, &visit, &id, outcome).await,
        other => Err(Problem::of_beginning(&other)),
    }
}

/// Judges an answer. A right one sets the cookie and says where to go on.
pub async fn answer(State(services): State<Services>, Path(id): Path<String>, call: Call<Answered>) -> Reply {
    let Call { visit, body } = call;
    let caller = visit.caller()?;
    services.passage.admit(visit.visitor.address)?;
    let enrolment = match (&body.enrolment, body.factor) {
        (Some(enrolment), _) => enrolment.clone(),
        (None, Some(factor)) => best_of(&services, caller, &id, factor).await?,
        (None, None) => return Err(Failure::BadRequest("`factor` or `enrolment` is missing").into()),
    };
    let outcome = services.challenges.answer(caller, &id, &enrolment, body.answer()?).await?;
    let outcome = outcome.ok_or(Failure::NotFound)?;
    let kept = match &outcome {
        Outcome::Passed { proof, browser, .. } if body.remember => {
            services.passage.trust(&visit.visitor, &id, proof, browser.as_deref()).await?
        }
        _ => None,
    };
    let mut response = passed(&services, &visit, &id, outcome).await?;
    if let Some(cookie) = kept {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What follows from an outcome: the cookie and where to go on, or the problem.
async fn passed(services: &Services, visit: &Visit, id: &str, outcome: Outcome) -> Reply {
    let caller = visit.caller()?;
    if let Some(problem) = Problem::of(&outcome) {
        return Err(problem);
    }
    let Outcome::Passed { proof, browser, recovery_codes_left } = outcome else {
        return Err(Failure::NotFound.into());
    };
    let journey = journey_of(services, caller, id).await?;
    let arrival = services
        .passage
        .arrive(&visit.visitor, Some(proof.clone()), browser, journey.as_ref())
        .await?;
    let body = json!({
        "factor": proof.factor,
        "enrolment": proof.enrolment,
        "at": proof.at,
        "return": arrival.next,
        "recovery_codes_left": recovery_codes_left,
    });
    Ok(json(StatusCode::OK, &body, arrival.cookies))
}

/// The person's best way of this kind that counts for the challenge.
async fn best_of(
    services: &Services,
    caller: &Caller,
    id: &str,
    factor: FactorKind,
) -> Result<EnrolmentId, Problem> {
    let view = services.challenges.view(caller, id).await?.ok_or(Failure::NotFound)?;
    let way = way_of(&view, factor).ok_or(Failure::BadRequest("no accepted way of this kind"))?;
    Ok(way.enrolment.clone())
}

fn way_of(view: &ChallengeView, factor: FactorKind) -> Option<&Way> {
    view.ways.iter().find(|way| way.factor == factor && way.accepted)
}

/// Where the person was going when the challenge began.
async fn journey_of(services: &Services, caller: &Caller, id: &str) -> Result<Option<Journey>, Failure> {
    match services.challenges.origin(caller, id).await? {
        Some((Some(journey), _)) => Ok(services.passage.journey(&journey).await?),
        _ => Ok(None),
    }
}

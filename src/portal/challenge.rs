//! Confirm, choose another way, confirmed (ux.md P-1, P-4, P-6, P-7).
//!
//! A GET opens the challenge (or finds it open) and shows it; only a POST is an answer. Whatever
//! tab, reload or Back brings a person here, the page asks the server what is missing now.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::detour::{Detour, Reply, page, see_other};
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::views::challenge::{Challenge, Confirmed, Ways};
use super::views::{Hidden, Problem};
use super::{pages, text};
use crate::api::{Failure, Standing, Visit};
use crate::challenge::view::{Caller, ChallengeView, Outcome, Way};
use crate::config::FactorKind;
use crate::factors::{Answer, Malformed};
use crate::gate::passage::{Arrival, Journey};
use crate::policy::{EnrolmentId, Proof};

/// From how many wrong answers left on the person is told (ux.md P-1: from the third on).
const TELL_ATTEMPTS: u32 = 2;
/// From how many recovery codes left on the person is told.
const FEW_CODES: u32 = 3;

/// Asks for the way that was chosen, or the best one.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    if params.rd.is_some() && params.onward.journey.is_none() {
        let onward = portal.return_address(&params, &visit).await?;
        return Err(Detour::To(onward.on(&portal.frame.url("challenge"))));
    }
    let view = match ask(&portal, &visit, &params.onward).await? {
        Asked::Challenge(view) => view,
        Asked::Answered(response) => return Ok(response),
    };
    match chosen(&view, params.way.as_deref()) {
        Some(way) => Ok(form(&portal, &visit, &params.onward, &view, way, None)),
        None => Ok(ways_page(&portal, &visit, &params.onward, &view)),
    }
}

/// Every way the person has, best first.
pub async fn ways(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    match ask(&portal, &visit, &params.onward).await? {
        Asked::Challenge(view) => Ok(ways_page(&portal, &visit, &params.onward, &view)),
        Asked::Answered(response) => Ok(response),
    }
}

/// An answer.
pub async fn answer(State(portal): State<Portal>, params: Params, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let caller = portal.signed_in(&visit, &params.onward)?;
    portal.services.passage.admit(visit.visitor.address)?;
    let (id, way, code) = (fields.get("challenge"), fields.get("way"), fields.get("code"));
    let enrolment = EnrolmentId(way.into());
    let answer = Answer::Code(code.to_owned());
    let outcome = portal.services.challenges.answer(caller, id, &enrolment, answer).await?;
    if let Some(Outcome::Passed { proof, browser, recovery_codes_left }) = outcome {
        return go_on(&portal, &visit, &params.onward, proof, browser, recovery_codes_left).await;
    }
    if let Some(Outcome::Locked(locked)) = outcome {
        return Err(Failure::Locked(locked).into());
    }
    // What is left is said on the page that asks again; an expired challenge begins anew by this.
    let view = match ask(&portal, &visit, &params.onward).await? {
        Asked::Challenge(view) => view,
        Asked::Answered(response) => return Ok(response),
    };
    let Some(way) = chosen(&view, Some(way)) else {
        return Ok(ways_page(&portal, &visit, &params.onward, &view));
    };
    let told = told(way.factor, outcome.as_ref(), code);
    Ok(form(&portal, &visit, &params.onward, &view, way, Some(told)))
}

/// What [`ask`] came to.
enum Asked {
    Challenge(Box<ChallengeView>),
    /// There is nothing to ask.
    Answered(Response),
}

/// Finds what the person is here for, and opens the challenge for it.
async fn ask(portal: &Portal, visit: &Visit, onward: &Onward) -> Result<Asked, Detour> {
    let caller = portal.signed_in(visit, onward)?;
    let journey = portal.journey(onward).await?;
    let view = match (&onward.to, journey) {
        (Some(_), _) => own_change(portal, caller).await?,
        (None, Some(journey)) => match portal.services.standing(caller, &journey).await? {
            Standing::Asked(view) => view,
            Standing::Clear => {
                return Ok(Asked::Answered(arrive(portal, visit, &journey).await?));
            }
            Standing::Denied => return Err(Failure::NotAllowed.into()),
        },
        // Where they were going is not known, or no longer.
        (None, None) => return Err(Detour::To(portal.frame.url("my-mfa"))),
    };
    if view.ways.is_empty() {
        return Err(Detour::To(onward.journey_only().on(&portal.frame.url("enrol"))));
    }
    Ok(Asked::Challenge(view))
}

async fn own_change(portal: &Portal, caller: &Caller) -> Result<Box<ChallengeView>, Detour> {
    let view = portal.services.fresh_proof(caller, text::SETTINGS, text::CHANGE_REASON).await?;
    Ok(Box::new(view))
}

/// The way to ask for; `None` when none that the person has counts.
fn chosen<'a>(view: &'a ChallengeView, wanted: Option<&str>) -> Option<&'a Way> {
    let usable = || view.ways.iter().filter(|way| way.accepted && way.left != Some(0));
    usable()
        .find(|way| Some(&*way.enrolment.0) == wanted)
        .or_else(|| usable().find(|way| Some(&way.enrolment) == view.chosen.as_ref()))
        .or_else(|| usable().next())
}

/// What to say about an answer that did not pass, and what of it may be shown again.
fn told(factor: FactorKind, outcome: Option<&Outcome>, code: &str) -> (Problem, String) {
    let recovery = factor == FactorKind::RecoveryCode;
    match outcome {
        Some(Outcome::Malformed(why)) => {
            let again = matches!(why, Malformed::Length { .. });
            let value = if again { code.to_owned() } else { String::new() };
            (Problem::new("code", text::malformed(factor, why)), value)
        }
        Some(Outcome::Wrong { attempts_left }) => {
            let message = if recovery {
                text::WRONG_RECOVERY
            } else {
                text::WRONG
            };
            let mut problem = Problem::new("code", message);
            if *attempts_left <= TELL_ATTEMPTS {
                problem.more.push(text::attempts_left(*attempts_left));
                if !recovery {
                    problem.more.push(text::CHECK_CLOCK.to_owned());
                }
            }
            (problem, String::new())
        }
        Some(Outcome::Used { .. }) => {
            let message = if recovery { text::USED_RECOVERY } else { text::USED };
            (Problem::new("code", message), String::new())
        }
        _ => (Problem::new("code", text::RAN_OUT), String::new()),
    }
}

fn form(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    view: &ChallengeView,
    way: &Way,
    told: Option<(Problem, String)>,
) -> Response {
    let (problem, value) = told.unzip();
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let hidden = Hidden::token(portal.services.passage.csrf_token(&visit.visitor))
        .with("challenge", view.id.as_str())
        .with("way", &*way.enrolment.0);
    let view = Challenge {
        shell: portal.shell(text::CONFIRM, visit).failed(problem.is_some()),
        action: onward.on(&portal.frame.url("challenge")),
        hidden,
        purpose: view.purpose.clone(),
        way: way.clone(),
        value: value.unwrap_or_default(),
        ways_url: onward.on(&portal.frame.url("challenge/ways")),
        problem,
    };
    page(portal.frame.page(status, &view), Vec::new())
}

fn ways_page(portal: &Portal, visit: &Visit, onward: &Onward, view: &ChallengeView) -> Response {
    let mut hidden = Hidden::default();
    if let Some(journey) = &onward.journey {
        hidden = hidden.with("j", journey.as_str());
    }
    if let Some(to) = &onward.to {
        hidden = hidden.with("to", to.as_str());
    }
    let add = onward.journey_only().on(&portal.frame.url("enrol"));
    let view = Ways {
        shell: portal.shell(text::ANOTHER_WAY, visit),
        hidden,
        app: view.purpose.app.clone(),
        ways: Ways::rows(&view.ways, &view.purpose.app),
        any_accepted: view.ways.iter().any(|way| way.accepted),
        add_url: onward.to.is_none().then_some(add),
    };
    page(portal.frame.page(StatusCode::OK, &view), Vec::new())
}

/// The proof goes into the session; the person goes where they were going.
async fn go_on(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    proof: Proof,
    browser: Option<String>,
    codes_left: Option<u32>,
) -> Reply {
    let journey = if onward.to.is_some() {
        None
    } else {
        portal.journey(onward).await?
    };
    let arrival = portal
        .services
        .passage
        .arrive(&visit.visitor, Some(proof), browser, journey.as_ref())
        .await?;
    let codes_left = codes_left.filter(|left| *left <= FEW_CODES);
    let Some(journey) = journey else {
        let next = portal.next_page(onward);
        if codes_left.is_none() {
            return Ok(see_other(&next, arrival.cookies));
        }
        let settings = text::SETTINGS.to_owned();
        return Ok(page(confirmed(portal, visit, next, settings, codes_left), arrival.cookies));
    };
    if arrival.next.starts_with(&portal.frame.url("challenge")) {
        return Ok(see_other(&arrival.next, arrival.cookies));
    }
    Ok(leave(portal, visit, &journey, arrival, codes_left))
}

/// Nothing is missing: another tab did it, or the page was reloaded.
async fn arrive(portal: &Portal, visit: &Visit, journey: &Journey) -> Result<Response, Failure> {
    let arrival = portal
        .services
        .passage
        .arrive(&visit.visitor, None, None, Some(journey))
        .await?;
    Ok(leave(portal, visit, journey, arrival, None))
}

/// On to the app; or the word that a form could not be kept and has to be sent again (ux.md P-9).
fn leave(
    portal: &Portal,
    visit: &Visit,
    journey: &Journey,
    arrival: Arrival,
    codes_left: Option<u32>,
) -> Response {
    let Arrival { cookies, next, app } = arrival;
    let was_form = !matches!(journey.method.as_str(), "GET" | "HEAD");
    if was_form && !journey.held {
        let account = visit.visitor.caller.as_ref().map(|caller| caller.identity.display_name());
        return page(pages::form_not_sent(&portal.frame, account, &app, &next), cookies);
    }
    page(confirmed(portal, visit, next, app, codes_left), cookies)
}

fn confirmed(
    portal: &Portal,
    visit: &Visit,
    next: String,
    app: String,
    codes_left: Option<u32>,
) -> super::frame::Page {
    let view = Confirmed { shell: portal.shell(text::CONFIRMED, visit), next, app, codes_left };
    portal.frame.page(StatusCode::OK, &view)
}

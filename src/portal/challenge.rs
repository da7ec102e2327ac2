//! Confirm, choose another way, confirmed (ux.md P-1, P-4, P-6, P-7).
//!
//! A GET opens the challenge (or finds it open) and shows it; only a POST is an answer. Whatever
//! tab, reload or Back brings a person here, the page asks the server what is missing now.

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};

use super::begin::with_way;
use super::detour::{Detour, Reply, page, see_other};
use super::enrol::change_at;
use super::fields::{Fields, Posted};
use super::onward::{Onward, Params};
use super::state::Portal;
use super::told::{self, Told};
use super::views::challenge::{Challenge, Confirmed, Ways};
use super::views::{Hidden, Link};
use super::{pages, text};
use crate::api::{Failure, Standing, Visit};
use crate::challenge::view::{Beginning, Caller, ChallengeView, Change, Outcome, Start, Way, WhyNot};
use crate::config::FactorKind;
use crate::factors::{Answer, Starts};
use crate::gate::passage::{Arrival, Journey};
use crate::policy::{EnrolmentId, Proof};

/// From how many recovery codes left on the person is told.
const FEW_CODES: u32 = 3;
/// How many passkeys are named.
const NAMED: usize = 3;

/// Asks for the way that was chosen, or the best one.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    if params.rd.is_some() && params.onward.journey.is_none() {
        let onward = portal.return_address(&params, &visit).await?;
        return Err(Detour::To(onward.on(&portal.frame.url("challenge"))));
    }
    let view = match ask(&portal, &visit, &params).await? {
        Asked::Challenge(view) => view,
        Asked::Answered(response) => return Ok(response),
    };
    let Some(way) = chosen(&view, params.way.as_deref()) else {
        return Ok(ways_page(&portal, &visit, &params.onward, &view));
    };
    let way = begun_quietly(&portal, &visit, &params.onward, &view, way).await?;
    Ok(form(&portal, &visit, &params.onward, &view, &way, Told::default()))
}

/// Every way the person has, best first.
pub async fn ways(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    match ask(&portal, &visit, &params).await? {
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
    let onward = of_challenge(&portal, caller, id, &params.onward).await?;
    let outcome = portal
        .services
        .challenges
        .answer(caller, id, &enrolment, answered(&fields))
        .await?;
    let kept = trusted(&portal, &visit, id, &fields, outcome.as_ref()).await?;
    let mut response = after(&portal, &visit, &onward, way, outcome, code).await?;
    if let Some(cookie) = kept {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The cookie of a browser whose person asked not to be asked again in it.
async fn trusted(
    portal: &Portal,
    visit: &Visit,
    challenge: &str,
    fields: &Fields,
    outcome: Option<&Outcome>,
) -> Result<Option<HeaderValue>, Failure> {
    let Some(Outcome::Passed { proof, browser, .. }) = outcome.filter(|_| fields.get("remember") == "yes")
    else {
        return Ok(None);
    };
    let passage = &portal.services.passage;
    Ok(passage.trust(&visit.visitor, challenge, proof, browser.as_deref()).await?)
}

/// Where this challenge leads: what it was opened for, whatever the address of the form says. One
/// answer must not be worth a request that its page never named.
pub async fn of_challenge(
    portal: &Portal,
    caller: &Caller,
    id: &str,
    onward: &Onward,
) -> Result<Onward, Detour> {
    let origin = portal.services.challenges.origin(caller, id).await?;
    Ok(match origin {
        Some((journey, _)) => Onward { journey, ..onward.clone() },
        None => onward.clone(),
    })
}

/// What a form says: a code, the browser's ceremony, or the question whether it is decided.
pub fn answered(fields: &Fields) -> Answer {
    match (fields.get("credential"), fields.get("ask")) {
        ("", "") => Answer::Code(fields.get("code").to_owned()),
        ("", _) => Answer::Ask,
        (credential, _) => Answer::Ceremony(credential.to_owned()),
    }
}

/// The page after an answer, whatever became of it.
pub async fn after(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    way: &str,
    outcome: Option<Outcome>,
    code: &str,
) -> Reply {
    if let Some(Outcome::Passed { proof, browser, recovery_codes_left }) = outcome {
        return go_on(portal, visit, onward, proof, browser, recovery_codes_left).await;
    }
    if let Some(Outcome::Locked(locked)) = outcome {
        return Err(Failure::Locked(locked).into());
    }
    // A ceremony is good for one look, so the page that asks again begins it anew.
    again(portal, visit, onward, way, |factor| told::of(factor, outcome.as_ref(), code)).await
}

/// The page that asks for this way again, with what there is to say. An expired challenge begins
/// anew by this.
pub async fn again(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    way: &str,
    told: impl FnOnce(FactorKind) -> Told,
) -> Reply {
    let params = Params { onward: onward.clone(), ..Params::default() };
    let view = match ask(portal, visit, &params).await? {
        Asked::Challenge(view) => view,
        Asked::Answered(response) => return Ok(response),
    };
    let Some(way) = chosen(&view, Some(way)) else {
        return Ok(ways_page(portal, visit, onward, &view));
    };
    let way = begun_quietly(portal, visit, onward, &view, way).await?;
    let told = told(way.factor);
    Ok(form(portal, visit, onward, &view, &way, told))
}

/// The way, with what it needs begun where that disturbs nobody.
async fn begun_quietly(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    view: &ChallengeView,
    way: &Way,
) -> Result<Way, Detour> {
    let mut way = way.clone();
    if way.starts == Starts::WhenShown {
        let caller = portal.signed_in(visit, onward)?;
        let start = Start::default();
        let begun = portal
            .services
            .challenges
            .start(caller, &view.id, &way.enrolment, &start)
            .await?;
        if let Some(Beginning::Begun(started)) = begun {
            way.started = Some(started);
        }
    }
    Ok(way)
}

/// What [`ask`] came to.
enum Asked {
    Challenge(Box<ChallengeView>),
    /// There is nothing to ask.
    Answered(Response),
}

/// Finds what the person is here for, and opens the challenge for it.
async fn ask(portal: &Portal, visit: &Visit, params: &Params) -> Result<Asked, Detour> {
    let onward = &params.onward;
    let journey = portal.journey(onward).await?;
    if let Some(journey) = &journey
        && let Some((site, cookie)) = portal.services.passage.to_be_vouched_for(&visit.visitor, journey)
    {
        // Asked already, and somebody else is here all the same: another source speaks at the portal.
        return match params.done.as_deref() {
            Some("vouched") => Err(Failure::NotAllowed.into()),
            _ => Ok(Asked::Answered(see_other(&site, cookie.into_iter().collect()))),
        };
    }
    let caller = portal.signed_in(visit, onward)?;
    let view = match (&onward.to, journey) {
        (Some(to), _) => own_change(portal, caller, change_at(to)).await?,
        (None, Some(journey)) => match portal.services.standing(&visit.visitor, &journey).await? {
            Standing::Asked(view) => view,
            Standing::BroughtBack(arrival) => {
                return Ok(Asked::Answered(leave(portal, visit, &journey, arrival, None)));
            }
            Standing::Clear => {
                return Ok(Asked::Answered(arrive(portal, visit, &journey).await?));
            }
            Standing::SignIn if portal.services.passage.ways_in(Some(&journey)).is_empty() => {
                return Err(Failure::NotAllowed.into());
            }
            Standing::SignIn => return Err(Detour::To(onward.on(&portal.frame.url("sign-in")))),
            Standing::Denied => return Err(Failure::NotAllowed.into()),
        },
        // Where they were going is not known, or no longer.
        (None, None) => return Err(Detour::To(portal.frame.url("my-mfa"))),
    };
    if view.ways.iter().all(|way| way.why_not == Some(WhyNot::Off)) {
        return Err(Detour::To(onward.journey_only().on(&portal.frame.url("enrol"))));
    }
    Ok(Asked::Challenge(view))
}

async fn own_change(portal: &Portal, caller: &Caller, change: Change) -> Result<Box<ChallengeView>, Detour> {
    let view = portal
        .services
        .fresh_proof(caller, change, text::SETTINGS, text::CHANGE_REASON)
        .await?;
    Ok(Box::new(view))
}

/// The way to ask for; `None` when the person has to choose: none that they have counts, or none but what
/// is there for the worst day, beside others that do not.
fn chosen<'a>(view: &'a ChallengeView, wanted: Option<&str>) -> Option<&'a Way> {
    let usable = || view.ways.iter().filter(|way| way.accepted);
    let is_none_else = |way: &Way| way.factor.is_spare() || way.why_not == Some(WhyNot::Done);
    let has_nothing_else = view.ways.iter().all(is_none_else);
    usable()
        .find(|way| Some(&*way.enrolment.0) == wanted)
        .or_else(|| usable().find(|way| Some(&way.enrolment) == view.chosen.as_ref()))
        .or_else(|| usable().next().filter(|_| has_nothing_else))
}

/// The best way that does not hang on what this one hangs on.
fn other<'a>(view: &'a ChallengeView, way: &Way) -> Option<&'a Way> {
    view.ways.iter().find(|other| other.accepted && other.factor != way.factor)
}

fn form(
    portal: &Portal,
    visit: &Visit,
    onward: &Onward,
    view: &ChallengeView,
    way: &Way,
    told: Told,
) -> Response {
    let Told { mut problem, value, status: said, away } = told;
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let hidden = Hidden::token(portal.services.passage.csrf_token(&visit.visitor))
        .with("challenge", view.id.as_str())
        .with("way", &*way.enrolment.0);
    let instead = other(view, way).filter(|_| away).map(|other| {
        let url = with_way(&onward.on(&portal.frame.url("challenge")), &other.enrolment.0);
        Link::new(url, text::use_instead(text::way_title(other)))
    });
    if let Some(problem) = problem.as_mut().filter(|problem| way.must_start() && problem.field == "code") {
        // The button is all there is on the page to go to.
        problem.field = "start";
    }
    let title = match &view.purpose.step {
        Some(step) => text::confirm_step(step.now, step.of),
        None => text::CONFIRM.to_owned(),
    };
    let view = Challenge {
        shell: portal.shell(title, visit).failed(problem.is_some()),
        action: onward.on(&portal.frame.url("challenge")),
        hidden,
        start: onward.on(&portal.frame.url("challenge/start")),
        purpose: view.purpose.clone(),
        way: way.clone(),
        passkeys: passkeys(view),
        value,
        said,
        ways_url: onward.on(&portal.frame.url("challenge/ways")),
        instead,
        problem,
        now: portal.services.passage.now(),
    };
    page(portal.frame.page(status, &view), Vec::new())
}

/// Names of the first few that will do.
fn passkeys(view: &ChallengeView) -> Vec<String> {
    view.ways
        .iter()
        .filter(|way| way.factor == FactorKind::Passkey && way.accepted)
        .map(|way| way.name.clone())
        .take(NAMED)
        .collect()
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
pub async fn go_on(
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

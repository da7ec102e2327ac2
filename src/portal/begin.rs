//! Beginning what a way needs (ux.md P-3, P-5): the message is sent, the other site is asked. Only
//! ever by POST; and the way back from another site, which is a GET by its nature and counts once.

use axum::extract::{Path, RawQuery, State};
use http::StatusCode;

use super::challenge::{after, again, of_challenge};
use super::detour::{Detour, Reply, page, see_other};
use super::enrol;
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::told::not_begun;
use super::views::Link;
use super::views::challenge::Leaving;
use super::views::notice::Notice;
use crate::api::Visit;
use crate::challenge::view::{Beginning, Start};
use crate::factors::{Answer, Shows};
use crate::policy::EnrolmentId;

/// Longer than anything another site sends people back with.
const LONGEST_WAY_BACK: usize = 4096;

/// Begins what a way of a challenge needs.
pub async fn start(State(portal): State<Portal>, params: Params, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let caller = portal.signed_in(&visit, &params.onward)?;
    portal.services.passage.admit(visit.visitor.address)?;
    let (id, way) = (fields.get("challenge"), fields.get("way"));
    let onward = &of_challenge(&portal, caller, id, &params.onward).await?;
    let start = Start { choice: fields.get("choice").to_owned(), onward: onward.on("") };
    let now = portal.services.passage.now();
    let begun = portal
        .services
        .challenges
        .start(caller, id, &EnrolmentId(way.into()), &start)
        .await?;
    match begun {
        Some(Beginning::Begun(started) | Beginning::Doubtful(started)) => {
            Ok(begun_page(&portal, &visit, &started.shows, || {
                with_way(&onward.on(&portal.frame.url("challenge")), way)
            }))
        }
        Some(Beginning::Waived(outcome)) => after(&portal, &visit, onward, way, Some(outcome), "").await,
        Some(other) => again(&portal, &visit, onward, way, |factor| not_begun(factor, &other, now)).await,
        // It is over, or not theirs: the page begins anew.
        None => Err(Detour::To(with_way(&onward.on(&portal.frame.url("challenge")), way))),
    }
}

/// Begins what the confirmation of an enrolment needs, or sends its code again.
pub async fn start_enrolment(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    params: Params,
    posted: Posted,
) -> Reply {
    let Posted { visit, fields } = posted;
    let onward = &params.onward;
    let caller = portal.signed_in(&visit, onward)?;
    portal.services.passage.admit(visit.visitor.address)?;
    let start = Start { choice: fields.get("choice").to_owned(), onward: onward.on("") };
    let place = onward.on(&portal.frame.url(&format!("enrol/{id}")));
    let now = portal.services.passage.now();
    match portal.services.challenges.start_enrolment(caller, &id, &start).await? {
        Some(Beginning::Begun(started) | Beginning::Doubtful(started)) => {
            Ok(begun_page(&portal, &visit, &started.shows, || place))
        }
        Some(other) => {
            enrol::pending_again(&portal, &visit, onward, &id, |kind| not_begun(kind, &other, now)).await
        }
        None => Err(Detour::To(place)),
    }
}

/// The page that leads to another site, or back to the one that asks.
fn begun_page(
    portal: &Portal,
    visit: &Visit,
    shows: &Shows,
    back: impl FnOnce() -> String,
) -> axum::response::Response {
    let Shows::Redirect { url } = shows else {
        return see_other(&back(), Vec::new());
    };
    let view = Leaving { shell: portal.shell(text::LEAVING, visit), url: url.clone(), back: back() };
    page(portal.frame.page(StatusCode::OK, &view), Vec::new())
}

/// Another site has sent the person back.
pub async fn way_back(State(portal): State<Portal>, visit: Visit, RawQuery(query): RawQuery) -> Reply {
    let query = query.filter(|query| query.len() <= LONGEST_WAY_BACK).unwrap_or_default();
    let (mut state, mut code, mut error) = (String::new(), String::new(), String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "state" => state = value.into_owned(),
            // Duo names it so where it is asked to.
            "code" | "duo_code" => code = value.into_owned(),
            "error" => error = value.into_owned(),
            _ => {}
        }
    }
    let caller = portal.signed_in(&visit, &Onward::default())?;
    portal.services.passage.admit(visit.visitor.address)?;
    let challenges = &portal.services.challenges;
    let Some(back) = challenges.way_back(caller, &state).await? else {
        return Ok(over(&portal, &visit));
    };
    let onward = Params::parse(back.onward.trim_start_matches('?')).onward;
    let answer = Answer::Return { code, error };
    match back.enrolment {
        Some(enrolment) => {
            let outcome = challenges.answer(caller, &back.question, &enrolment, answer).await?;
            after(&portal, &visit, &onward, &enrolment.0, outcome, "").await
        }
        None => enrol::confirmed(&portal, &visit, &onward, &back.question, "", answer).await,
    }
}

/// Used already (Back, or a second tab), run out, or begun in another session: nothing of it counts.
fn over(portal: &Portal, visit: &Visit) -> axum::response::Response {
    let view = Notice {
        shell: portal.shell(text::WAY_BACK_OVER, visit),
        lines: vec![text::WAY_BACK_OVER_WHY.into()],
        links: vec![Link::new(portal.frame.url("my-mfa"), text::GO_TO_SETTINGS)],
    };
    page(portal.frame.page(StatusCode::BAD_REQUEST, &view), Vec::new())
}

/// `url` with this way chosen.
pub fn with_way(url: &str, way: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    let way: String = form_urlencoded::byte_serialize(way.as_bytes()).collect();
    format!("{url}{joint}way={way}")
}

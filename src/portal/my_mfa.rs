//! My MFA settings (ux.md P-28, P-29): what a person has, and changing it.
//!
//! Every change needs a fresh confirmation and happens by POST. An id that is not the caller's own
//! is answered like one that does not exist.

use axum::extract::{Path, State};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::detour::{Detour, Reply, page, see_other};
use super::enrol::may_change;
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::my_mfa::{BrowserRow, MyMfa, Rename, Row, SessionRow};
use super::views::notice::ConfirmAct;
use super::views::{Hidden, Line, Link, Problem};
use crate::api::{Failure, Visit};
use crate::challenge::ChallengeError;
use crate::challenge::view::{Caller, EnrolmentView};
use crate::config::FactorKind;
use crate::policy::{EnrolmentId, TrustId};

/// The list.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    let caller = portal.signed_in(&visit, &Onward::default().toward("my-mfa"))?;
    let mut enrolments = portal.services.challenges.enrolments(caller).await?;
    enrolments.sort_by_key(|one| one.factor == FactorKind::RecoveryCode);
    let usable = enrolments.iter().filter(|one| one.is_everyday()).count();
    let has_codes = enrolments.iter().any(|one| one.factor == FactorKind::RecoveryCode);
    let until = portal.grace_until(caller).await?;
    let browsers = portal.services.challenges.trusted_browsers(caller).await?;
    let apps = portal.services.passage.app_credentials(&visit.visitor).await?;
    let sessions = portal.services.passage.sessions(&visit.visitor).await?;
    let view = MyMfa {
        shell: portal.shell(text::SETTINGS, &visit).wide(),
        hidden: token(&portal, &visit),
        done: params.done.as_deref().and_then(done),
        rows: Row::all(&enrolments),
        status: text::ways_status(usable),
        until,
        offer_codes: usable > 0 && !has_codes && portal.services.enabled.contains(FactorKind::RecoveryCode),
        password: portal.services.challenges.has_password(caller),
        browsers: browsers.into_iter().map(BrowserRow::from).collect(),
        apps: apps.into_iter().map(|(route, _)| forgets(&portal, route)).collect(),
        sessions: sessions.into_iter().map(SessionRow::from).collect(),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// Where the saved sign-in for this app is forgotten. Routes are named by operators, in any characters.
fn forgets(portal: &Portal, route: String) -> Link {
    let name = utf8_percent_encode(&route, NON_ALPHANUMERIC);
    Link::new(portal.frame.url(&format!("my-mfa/app-sign-in/{name}/forget")), route)
}

/// The form for another name.
pub async fn ask_rename(State(portal): State<Portal>, Path(id): Path<String>, visit: Visit) -> Reply {
    let place = format!("my-mfa/rename/{id}");
    let caller = changing(&portal, &visit, &place).await?;
    let enrolment = own(&portal, caller, &id).await?;
    let value = enrolment.name.clone();
    Ok(rename_form(&portal, &visit, &enrolment, value, None))
}

/// Another name.
pub async fn rename(State(portal): State<Portal>, Path(id): Path<String>, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let caller = changing(&portal, &visit, &format!("my-mfa/rename/{id}")).await?;
    let name = fields.get("name");
    match portal
        .services
        .challenges
        .rename(caller, &EnrolmentId(id.as_str().into()), name)
        .await
    {
        Ok(true) => Err(Detour::To(portal.frame.url("my-mfa?done=saved"))),
        Ok(false) => Err(Failure::NotFound.into()),
        Err(ChallengeError::BadName) => {
            let enrolment = own(&portal, caller, &id).await?;
            let why = if name.trim().is_empty() {
                text::NAME_EMPTY
            } else {
                text::NAME_LONG
            };
            let problem = Some(Problem::new("name", why));
            Ok(rename_form(&portal, &visit, &enrolment, name.to_owned(), problem))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says what removing does, and asks.
pub async fn ask_remove(State(portal): State<Portal>, Path(id): Path<String>, visit: Visit) -> Reply {
    let caller = changing(&portal, &visit, &format!("my-mfa/remove/{id}")).await?;
    let enrolments = portal.services.challenges.enrolments(caller).await?;
    let enrolment = enrolments.iter().find(|one| *one.id.0 == *id).ok_or(Failure::NotFound)?;
    let mut lines: Vec<Line> = vec![text::remove_effect(enrolment.factor).into()];
    let mut others = enrolments.iter().filter(|one| one.id != enrolment.id);
    if enrolment.is_everyday() && !others.any(EnrolmentView::is_everyday) {
        lines.push(text::REMOVE_LAST.into());
    }
    let view = ConfirmAct {
        shell: portal.shell(text::remove_title(&enrolment.name), &visit),
        action: portal.frame.url(&format!("my-mfa/remove/{}", enrolment.id.0)),
        hidden: token(&portal, &visit),
        lines,
        button: text::REMOVE,
        danger: true,
        back: Some(Link::new(portal.frame.url("my-mfa"), text::KEEP)),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// Removes. A second click finds it removed already, and that is fine.
pub async fn remove(State(portal): State<Portal>, Path(id): Path<String>, posted: Posted) -> Reply {
    let onward = Onward::default().toward("my-mfa");
    let caller = portal.signed_in(&posted.visit, &onward)?;
    let gone = || Detour::To(portal.frame.url("my-mfa?done=removed"));
    if own(&portal, caller, &id).await.is_err() {
        return Err(gone());
    }
    may_change(&portal, caller, &onward, &format!("my-mfa/remove/{id}")).await?;
    portal
        .services
        .challenges
        .remove(caller, &EnrolmentId(id.as_str().into()))
        .await?;
    let renewed = portal.services.passage.renew(&posted.visit.visitor).await?;
    Ok(see_other(&portal.frame.url("my-mfa?done=removed"), renewed.into_iter().collect()))
}

/// Says what asking for it first means, and asks.
pub async fn ask_prefer(State(portal): State<Portal>, Path(id): Path<String>, visit: Visit) -> Reply {
    let caller = changing(&portal, &visit, &format!("my-mfa/first/{id}")).await?;
    let enrolment = own(&portal, caller, &id).await?;
    let view = ConfirmAct {
        shell: portal.shell(text::first_title(&enrolment.name), &visit),
        action: portal.frame.url(&format!("my-mfa/first/{}", enrolment.id.0)),
        hidden: token(&portal, &visit),
        lines: vec![text::FIRST_TEXT.into()],
        button: text::ASK_FIRST,
        danger: false,
        back: Some(Link::new(portal.frame.url("my-mfa"), text::CANCEL)),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// Makes it the one to be asked for first.
pub async fn prefer(State(portal): State<Portal>, Path(id): Path<String>, posted: Posted) -> Reply {
    let caller = changing(&portal, &posted.visit, &format!("my-mfa/first/{id}")).await?;
    if portal.services.challenges.prefer(caller, &EnrolmentId(id.into())).await? {
        Err(Detour::To(portal.frame.url("my-mfa?done=saved")))
    } else {
        Err(Failure::NotFound.into())
    }
}

/// Trusts a browser no more: one click, since it only asks more of people.
pub async fn forget(State(portal): State<Portal>, Path(id): Path<String>, posted: Posted) -> Reply {
    let onward = Onward::default().toward("my-mfa");
    let caller = portal.signed_in(&posted.visit, &onward)?;
    portal.services.challenges.distrust(caller, &TrustId(id.into())).await?;
    Err(Detour::To(portal.frame.url("my-mfa?done=forgotten")))
}

/// Ends one session: one click, since it only asks more of people.
pub async fn end_session(State(portal): State<Portal>, Path(id): Path<String>, posted: Posted) -> Reply {
    portal.signed_in(&posted.visit, &Onward::default().toward("my-mfa"))?;
    portal.services.passage.end_one(&posted.visit.visitor, &id).await?;
    Err(Detour::To(portal.frame.url("my-mfa?done=ended")))
}

/// Ends all but this one.
pub async fn end_others(State(portal): State<Portal>, posted: Posted) -> Reply {
    portal.signed_in(&posted.visit, &Onward::default().toward("my-mfa"))?;
    portal.services.passage.end_others(&posted.visit.visitor).await?;
    Err(Detour::To(portal.frame.url("my-mfa?done=others-ended")))
}

/// Says what a new list of codes does to the old one, and asks.
pub async fn ask_renew(State(portal): State<Portal>, visit: Visit) -> Reply {
    changing(&portal, &visit, "my-mfa/recovery-codes").await?;
    let view = ConfirmAct {
        shell: portal.shell(text::RENEW_CODES_TITLE, &visit),
        action: portal.frame.url("enrol"),
        hidden: token(&portal, &visit).with("factor", FactorKind::RecoveryCode.name()),
        lines: vec![text::RENEW_CODES_TEXT.into()],
        button: text::RENEW_CODES,
        danger: false,
        back: Some(Link::new(portal.frame.url("my-mfa"), text::CANCEL)),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// The person, permitted to change things now; or the way to that.
async fn changing<'a>(portal: &Portal, visit: &'a Visit, place: &str) -> Result<&'a Caller, Detour> {
    let onward = Onward::default();
    let caller = portal.signed_in(visit, &onward.toward(place))?;
    may_change(portal, caller, &onward, place).await?;
    Ok(caller)
}

async fn own(portal: &Portal, caller: &Caller, id: &str) -> Result<EnrolmentView, Failure> {
    let enrolments = portal.services.challenges.enrolments(caller).await?;
    enrolments.into_iter().find(|one| *one.id.0 == *id).ok_or(Failure::NotFound)
}

fn rename_form(
    portal: &Portal,
    visit: &Visit,
    enrolment: &EnrolmentView,
    value: String,
    problem: Option<Problem>,
) -> axum::response::Response {
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let view = Rename {
        shell: portal
            .shell(text::rename_title(&enrolment.name), visit)
            .failed(problem.is_some()),
        action: portal.frame.url(&format!("my-mfa/rename/{}", enrolment.id.0)),
        hidden: token(portal, visit),
        value,
        problem,
    };
    page(portal.frame.page(status, &view), Vec::new())
}

fn token(portal: &Portal, visit: &Visit) -> Hidden {
    Hidden::token(portal.services.passage.csrf_token(&visit.visitor))
}

/// What was just done, in words: only these, never the parameter.
fn done(what: &str) -> Option<&'static str> {
    match what {
        "added" => Some(text::ADDED_NOTICE),
        "removed" => Some(text::REMOVED_NOTICE),
        "saved" => Some(text::SAVED_NOTICE),
        "password" => Some(text::PASSWORD_CHANGED_NOTICE),
        "ended" => Some(text::SESSION_ENDED_NOTICE),
        "others-ended" => Some(text::OTHERS_ENDED_NOTICE),
        "forgotten" => Some(text::FORGOTTEN_NOTICE),
        "app-forgotten" => Some(text::APP_FORGOTTEN),
        _ => None,
    }
}

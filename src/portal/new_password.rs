//! Another password (P-31): asked for by a mailed link, wanted by an administrator at sign-in, or
//! changed by its owner.
//!
//! A link is only looked at by GET and used up by POST, since programs that read mail open links. What
//! is wrong with a new password is said in plain words; whose it is, never before they may change it.

use axum::extract::State;
use http::StatusCode;

use super::detour::{Detour, Reply, page, see_other};
use super::enrol::needs_proof;
use super::fields::{Posted, Unproven};
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::new_password::{Forgotten, NewPassword as Form};
use super::views::notice::Notice;
use super::views::{Hidden, Link, Problem};
use crate::api::{Failure, Visit};
use crate::challenge::{ChallengeError, NewPassword};
use crate::gate::passage::{SignIn, Visitor};

/// Below the prefix.
const OWN: &str = "my-mfa/password";

/// Asks for whom the link is to be.
pub async fn ask_link(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    only_where_mailed(&portal)?;
    Ok(forgotten(&portal, visit.visitor, &params.onward, "", None))
}

/// Sends the link, if there is somebody to send it to; says the same in any case.
pub async fn send_link(State(portal): State<Portal>, params: Params, request: Unproven) -> Reply {
    only_where_mailed(&portal)?;
    let Unproven { visit, form } = request;
    portal.services.passage.admit(visit.visitor.address)?;
    let name = form.get("username");
    let problem = if !form.is_ours(&portal.services, &visit.visitor) {
        Some(text::SIGN_IN_STALE)
    } else if name.is_empty() {
        Some(text::FORGOTTEN_EMPTY)
    } else {
        None
    };
    if problem.is_some() {
        return Ok(forgotten(&portal, visit.visitor, &params.onward, name, problem));
    }
    portal.services.passage.mail_password_link(&visit.visitor, name);
    let view = Notice {
        shell: portal.frame.shell(text::LINK_ON_ITS_WAY),
        lines: vec![
            text::LINK_ON_ITS_WAY_TEXT.into(),
            text::LINK_ON_ITS_WAY_HOW.into(),
        ],
        links: vec![back_to_sign_in(&portal, &params.onward)],
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

/// The form behind a mailed link.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    only_where_mailed(&portal)?;
    let link = params.link.unwrap_or_default();
    portal.services.passage.admit(visit.visitor.address)?;
    if !portal.services.challenges.is_password_link(&link).await? {
        return Ok(gone(
            &portal,
            text::LINK_GONE_TEXT,
            portal.frame.url("sign-in/forgotten"),
            text::SEND_LINK,
        ));
    }
    Ok(choose(&portal, visit.visitor, &params.onward, ("link", &link), None))
}

/// A new password by a mailed link, or by the ticket of a sign-in.
pub async fn submit(State(portal): State<Portal>, params: Params, request: Unproven) -> Reply {
    let Unproven { visit, form } = request;
    let visitor = visit.visitor;
    portal.services.passage.admit(visitor.address)?;
    let (link, ticket, new) = (form.get("link"), form.get("ticket"), form.get("password"));
    let with = if ticket.is_empty() {
        ("link", link)
    } else {
        ("ticket", ticket)
    };
    if with.0 == "link" {
        only_where_mailed(&portal)?;
    }
    let stale = !form.is_ours(&portal.services, &visitor);
    if stale || new.is_empty() {
        let why = if stale {
            text::SIGN_IN_STALE
        } else {
            text::PASSWORD_EMPTY
        };
        return Ok(choose(&portal, visitor, &params.onward, with, Some(why.to_owned())));
    }
    let passage = &portal.services.passage;
    let (outcome, signed_in) = if with.0 == "ticket" {
        passage.sign_in_anew(&visitor, ticket, new).await?
    } else {
        (passage.redeem_password_link(&visitor, link, new).await?, None)
    };
    match (outcome, signed_in) {
        (NewPassword::Changed, Some(SignIn::Welcome { cookies, .. })) => {
            Ok(see_other(&portal.next_page(&params.onward), cookies))
        }
        (NewPassword::Changed, _) => Ok(changed(&portal, &params.onward)),
        (NewPassword::Unfit(bad), _) => {
            Ok(choose(&portal, visitor, &params.onward, with, Some(text::bad_password(bad))))
        }
        (NewPassword::Locked(locked), _) => Err(Failure::Locked(locked).into()),
        (NewPassword::Gone | NewPassword::WrongNow, _) if with.0 == "ticket" => {
            let again = params.onward.on(&portal.frame.url("sign-in"));
            Ok(gone(&portal, text::TICKET_GONE_TEXT, again, text::SIGN_IN_AGAIN))
        }
        (NewPassword::Gone | NewPassword::WrongNow, _) => {
            let again = portal.frame.url("sign-in/forgotten");
            Ok(gone(&portal, text::LINK_GONE_TEXT, again, text::SEND_LINK))
        }
    }
}

/// The form that a right password leads to where another one is wanted.
pub fn wanted(portal: &Portal, visitor: Visitor, onward: &Onward, ticket: &str) -> axum::response::Response {
    choose(portal, visitor, onward, ("ticket", ticket), None)
}

/// The owner's form.
pub async fn ask_change(State(portal): State<Portal>, visit: Visit) -> Reply {
    may_change(&portal, &visit).await?;
    Ok(own(&portal, &visit, None))
}

/// The owner's new password.
pub async fn change(State(portal): State<Portal>, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    portal.services.passage.admit(visit.visitor.address)?;
    may_change(&portal, &visit).await?;
    let (current, new) = (fields.get("current"), fields.get("password"));
    let problem = |field, message: String| Ok(own(&portal, &visit, Some(Problem::new(field, message))));
    if current.is_empty() {
        return problem("current", text::PASSWORD_WRONG_NOW.to_owned());
    }
    if new.is_empty() {
        return problem("password", text::PASSWORD_EMPTY.to_owned());
    }
    match portal.services.passage.change_password(&visit.visitor, current, new).await? {
        NewPassword::Changed => Err(Detour::To(portal.frame.url("my-mfa?done=password"))),
        NewPassword::WrongNow => problem("current", text::PASSWORD_WRONG_NOW.to_owned()),
        NewPassword::Unfit(bad) => problem("password", text::bad_password(bad)),
        NewPassword::Locked(locked) => Err(Failure::Locked(locked).into()),
        NewPassword::Gone => Err(Failure::NotFound.into()),
    }
}

async fn may_change(portal: &Portal, visit: &Visit) -> Result<(), Detour> {
    let onward = Onward::default();
    let caller = portal.signed_in(visit, &onward.toward(OWN))?;
    let challenges = &portal.services.challenges;
    if !challenges.has_password(caller) {
        return Err(Failure::NotFound.into());
    }
    match challenges.may_change_password(caller).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(needs_proof(portal, &onward, OWN)),
        Err(error) => Err(ChallengeError::into(error)),
    }
}

fn only_where_mailed(portal: &Portal) -> Result<(), Detour> {
    if portal.services.challenges.mails_password_links() {
        Ok(())
    } else {
        Err(Failure::NotFound.into())
    }
}

fn status(failed: bool) -> StatusCode {
    if failed {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    }
}

fn forgotten(
    portal: &Portal,
    visitor: Visitor,
    onward: &Onward,
    name: &str,
    problem: Option<&str>,
) -> axum::response::Response {
    let (visitor, cookie) = portal.services.passage.pre_session(visitor);
    let view = Forgotten {
        shell: portal.frame.shell(text::FORGOTTEN).failed(problem.is_some()),
        action: onward.on(&portal.frame.url("sign-in/forgotten")),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visitor)),
        username: name.to_owned(),
        back: onward.on(&portal.frame.url("sign-in")),
        problem: problem.map(|why| Problem::new("username", why)),
    };
    page(portal.frame.page(status(problem.is_some()), &view), cookie.into_iter().collect())
}

fn choose(
    portal: &Portal,
    visitor: Visitor,
    onward: &Onward,
    with: (&str, &str),
    problem: Option<String>,
) -> axum::response::Response {
    let (visitor, cookie) = portal.services.passage.pre_session(visitor);
    let failed = problem.is_some();
    let view = Form {
        shell: portal.frame.shell(text::CHOOSE_PASSWORD).failed(failed),
        action: onward.on(&portal.frame.url("new-password")),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visitor)).with(with.0, with.1),
        username: String::new(),
        lead: Some(if with.0 == "ticket" {
            text::PASSWORD_MUST_CHANGE
        } else {
            text::PASSWORD_BY_LINK
        }),
        current: false,
        hint: text::password_hint(portal.services.challenges.shortest_password()),
        back: None,
        problem: problem.map(|why| Problem::new("password", why)),
    };
    page(portal.frame.page(status(failed), &view), cookie.into_iter().collect())
}

fn own(portal: &Portal, visit: &Visit, problem: Option<Problem>) -> axum::response::Response {
    let failed = problem.is_some();
    let view = Form {
        shell: portal.shell(text::CHANGE_PASSWORD, visit).failed(failed),
        action: portal.frame.url(OWN),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visit.visitor)),
        username: visit
            .visitor
            .caller
            .as_ref()
            .map_or_else(String::new, |caller| caller.identity.subject.to_string()),
        lead: Some(text::PASSWORD_CHANGE_LEAD),
        current: true,
        hint: text::password_hint(portal.services.challenges.shortest_password()),
        back: Some(portal.frame.url("my-mfa")),
        problem,
    };
    page(portal.frame.page(status(failed), &view), Vec::new())
}

fn changed(portal: &Portal, onward: &Onward) -> axum::response::Response {
    let view = Notice {
        shell: portal.frame.shell(text::PASSWORD_CHANGED),
        lines: vec![text::PASSWORD_CHANGED_TEXT.into()],
        links: vec![back_to_sign_in(portal, onward)],
    };
    page(portal.frame.page(StatusCode::OK, &view), Vec::new())
}

fn gone(portal: &Portal, why: &str, again: String, label: &str) -> axum::response::Response {
    let view = Notice {
        shell: portal.frame.shell(text::LINK_GONE),
        lines: vec![why.into()],
        links: vec![Link::new(again, label)],
    };
    page(portal.frame.page(StatusCode::GONE, &view), Vec::new())
}

fn back_to_sign_in(portal: &Portal, onward: &Onward) -> Link {
    Link::new(onward.on(&portal.frame.url("sign-in")), text::SIGN_IN)
}

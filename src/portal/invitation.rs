//! Invitations: where their links land, how they are taken, and what is said to whoever needs one.
//!
//! Looking at one never uses it up; only the person it was made for can take it, once.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::detour::{Detour, Reply, page};
use super::fields::Posted;
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::notice::{ConfirmAct, Notice};
use super::views::{Hidden, Link};
use crate::api::{Failure, Visit};
use crate::challenge::view::{Caller, Change, ChangePermission};

/// Takes an invitation. A second click finds it taken already, and that is fine.
pub async fn redeem(State(portal): State<Portal>, params: Params, posted: Posted) -> Reply {
    let Posted { visit, fields } = posted;
    let onward = params.onward.journey_only();
    let caller = portal.signed_in(&visit, &params.onward)?;
    portal.services.passage.admit(visit.visitor.address)?;
    let challenges = &portal.services.challenges;
    let taken = challenges.redeem_invitation(caller, fields.get("invitation")).await?;
    if taken || challenges.permission(caller, Change::Add).await? == ChangePermission::Granted {
        return Err(Detour::To(onward.on(&portal.frame.url("enrol"))));
    }
    let view = Notice {
        shell: portal.shell(text::INVITATION_USELESS, &visit),
        lines: vec![text::INVITATION_USELESS_WHY.into()],
        links: Vec::new(),
    };
    Ok(page(portal.frame.page(StatusCode::FORBIDDEN, &view), Vec::new()))
}

/// Says that an invitation is needed, and why: a first way, or one that is switched off.
pub async fn needed(portal: &Portal, caller: &Caller) -> Result<Detour, Failure> {
    let enrolments = portal.services.challenges.enrolments(caller).await?;
    let off: Vec<&str> = enrolments
        .iter()
        .filter(|one| one.is_off)
        .map(|one| one.name.as_str())
        .collect();
    if off.is_empty() {
        return Ok(Failure::InvitationNeeded.into());
    }
    let view = Notice {
        shell: portal.frame.shell(text::WAY_IS_OFF).of(Some(caller.identity.display_name())),
        lines: vec![text::way_is_off(&off).into(), text::WAY_IS_OFF_HOW.into()],
        links: vec![Link::new(portal.frame.url("sign-out"), text::SWITCH_ACCOUNT)],
    };
    let drawn = portal.frame.page(StatusCode::FORBIDDEN, &view);
    Ok(Detour::Drawn(Box::new(page(drawn, Vec::new()))))
}

/// For a first way.
#[must_use]
pub fn plainly_needed(portal: &Portal) -> super::frame::Page {
    let view = Notice {
        shell: portal.frame.shell(text::INVITATION_NEEDED),
        lines: vec![text::INVITATION_NEEDED_WHY.into(), text::INVITATION_HOW.into()],
        links: vec![Link::new(portal.frame.url("sign-out"), text::SWITCH_ACCOUNT)],
    };
    portal.frame.page(StatusCode::FORBIDDEN, &view)
}

/// Where an invitation leads: it is taken by a click, since looking at it must not use it up.
pub fn landing(portal: &Portal, visit: &Visit, onward: &Onward, invitation: &str) -> Response {
    let hidden = Hidden::token(portal.services.passage.csrf_token(&visit.visitor));
    let view = ConfirmAct {
        shell: portal.shell(text::INVITATION, visit),
        action: onward.journey_only().on(&portal.frame.url("enrol/invitation")),
        hidden: hidden.with("invitation", invitation),
        lines: vec![text::INVITATION_LEAD.into()],
        button: text::CONTINUE,
        danger: false,
        back: None,
    };
    page(portal.frame.page(StatusCode::OK, &view), Vec::new())
}

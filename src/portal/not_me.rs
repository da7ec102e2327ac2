//! "This wasn't me" (P-30): the page behind the link in a notice.
//!
//! GET shows what the notice was about and asks; POST does it. Nobody needs to be signed in, and nothing is
//! told that the mail did not say.

use axum::extract::State;
use http::StatusCode;

use super::detour::{Reply, page};
use super::fields::Unproven;
use super::onward::Params;
use super::state::Portal;
use super::text;
use super::views::notice::{ConfirmAct, Notice};
use super::views::{Hidden, Link, Timed};
use crate::api::Visit;
use crate::challenge::report::Reported;
use crate::gate::passage::Visitor;

/// Below the prefix.
const OWN: &str = "not-me";

/// Asks.
pub async fn ask(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    let link = params.link.unwrap_or_default();
    portal.services.passage.admit(visit.visitor.address)?;
    Ok(match portal.services.challenges.reported(&link).await? {
        Some(reported) => question(&portal, visit.visitor, &link, &reported),
        None => gone(&portal),
    })
}

/// Stops the sign-ins.
pub async fn stop(State(portal): State<Portal>, request: Unproven) -> Reply {
    let Unproven { visit, form } = request;
    let (visitor, link) = (visit.visitor, form.get("link"));
    portal.services.passage.admit(visitor.address)?;
    let challenges = &portal.services.challenges;
    if !form.is_ours(&portal.services, &visitor) {
        // The page had been open for too long, or the browser keeps no cookies: asked once more.
        return Ok(match challenges.reported(link).await? {
            Some(reported) => question(&portal, visitor, link, &reported),
            None => gone(&portal),
        });
    }
    if !challenges.not_me(link, visitor.address, &visitor.agent).await? {
        return Ok(gone(&portal));
    }
    let view = Notice {
        shell: portal.frame.shell(text::STOPPED_NOW),
        lines: vec![text::STOPPED_NOW_TEXT.into(), text::STOPPED_HOW.into()],
        links: Vec::new(),
    };
    Ok(page(portal.frame.page(StatusCode::OK, &view), Vec::new()))
}

fn question(portal: &Portal, visitor: Visitor, link: &str, reported: &Reported) -> axum::response::Response {
    let (visitor, cookie) = portal.services.passage.pre_session(visitor);
    let view = ConfirmAct {
        shell: portal.frame.shell(text::NOT_ME),
        action: portal.frame.url(OWN),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visitor)).with("link", link),
        lines: vec![
            reported.what.as_str().into(),
            Timed::new(reported.at, text::happened_at).into(),
            text::NOT_ME_TEXT.into(),
        ],
        button: text::STOP_SIGN_INS,
        danger: true,
        back: Some(Link::new(portal.frame.url("my-mfa"), text::IT_WAS_ME)),
    };
    page(portal.frame.page(StatusCode::OK, &view), cookie.into_iter().collect())
}

fn gone(portal: &Portal) -> axum::response::Response {
    let view = Notice {
        shell: portal.frame.shell(text::LINK_GONE),
        lines: vec![text::NOT_ME_GONE.into(), text::STOPPED_HOW.into()],
        links: vec![Link::new(portal.frame.url("my-mfa"), text::MY_ACCOUNT)],
    };
    page(portal.frame.page(StatusCode::GONE, &view), Vec::new())
}

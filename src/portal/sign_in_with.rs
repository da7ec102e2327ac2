//! Signing in at a provider, as pages: the way there, and the way back.
//!
//! The way there is a link and not a form: `form-action 'self'` would keep a browser from leaving by a form.
//! It changes nothing but a cookie of the browser's own.

use axum::extract::{Path, RawQuery, State};
use http::{HeaderMap, StatusCode};

use super::detour::{Reply, page, see_other};
use super::onward::{Onward, Params};
use super::state::Portal;
use super::text;
use super::views::Link;
use super::views::notice::Notice;
use crate::api::{Failure, Visit};
use crate::gate::passage::{Away, Back};
use crate::identity::oidc::{ProviderError, WayBack};

/// Longer than anything a provider sends people back with.
const LONGEST_WAY_BACK: usize = 8192;

/// To the provider.
pub async fn leave(
    State(portal): State<Portal>,
    Path(source): Path<String>,
    params: Params,
    visit: Visit,
    headers: HeaderMap,
) -> Reply {
    portal.services.passage.admit(visit.visitor.address)?;
    let onward = portal.return_address(&params, &visit).await?;
    let away = portal.services.passage.leave_for(&source, &headers, &onward.on("")).await?;
    match away.ok_or(Failure::NotFound)? {
        Away::To { url, cookies } => Ok(see_other(&url, cookies)),
        Away::Unavailable => Ok(page(nobody(&portal, &source, &onward, &Nobody::UNAVAILABLE), Vec::new())),
    }
}

/// Back from the provider.
pub async fn come_back(
    State(portal): State<Portal>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    visit: Visit,
    headers: HeaderMap,
) -> Reply {
    let passage = &portal.services.passage;
    passage.admit(visit.visitor.address)?;
    let back = way_back(
        query
            .filter(|query| query.len() <= LONGEST_WAY_BACK)
            .as_deref()
            .unwrap_or_default(),
    );
    let back = passage.come_back(&visit.visitor, &source, &headers, back).await?;
    let parsed = |onward: &str| Params::parse(onward.trim_start_matches('?')).onward;
    match back.ok_or(Failure::NotFound)? {
        Back::Welcome { cookies, onward } => Ok(see_other(&portal.next_page(&parsed(&onward)), cookies)),
        Back::Stale => Ok(page(nobody(&portal, &source, &Onward::default(), &Nobody::STALE), Vec::new())),
        Back::Nobody { cookies, onward, why } => {
            let told = match why {
                ProviderError::Unavailable(_) => Nobody::UNAVAILABLE,
                ProviderError::Refused(_) => Nobody::REFUSED,
                ProviderError::Declined => Nobody::DECLINED,
            };
            Ok(page(nobody(&portal, &source, &parsed(&onward), &told), cookies))
        }
    }
}

/// Reads the query. A parameter that comes twice says nothing.
fn way_back(query: &str) -> WayBack {
    let one = |name: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value.into_owned()),
            _ => None,
        }
    };
    WayBack {
        state: one("state").unwrap_or_default(),
        code: one("code").unwrap_or_default(),
        issuer: one("iss"),
        error: one("error"),
    }
}

/// Why nobody has signed in, as people are told.
struct Nobody {
    status: StatusCode,
    title: &'static str,
    line: fn(&str) -> String,
}

impl Nobody {
    const UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: text::CANT_SIGN_IN_NOW,
        line: text::provider_is_away,
    };
    const REFUSED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        title: text::NOT_SIGNED_IN,
        line: text::provider_answer_refused,
    };
    const DECLINED: Self = Self {
        status: StatusCode::OK,
        title: text::NOT_SIGNED_IN,
        line: text::provider_was_told_no,
    };
    const STALE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        title: text::NOT_SIGNED_IN,
        line: text::provider_answer_stale,
    };
}

fn nobody(portal: &Portal, source: &str, onward: &Onward, told: &Nobody) -> super::frame::Page {
    let label = portal.services.passage.provider_label(source).unwrap_or_default();
    let again = Link::new(onward.on(&portal.frame.url(&format!("sign-in/{source}"))), text::TRY_AGAIN);
    let mut links = vec![again];
    if portal.services.passage.ways_in(None).count() > 1 {
        links.push(Link::new(onward.on(&portal.frame.url("sign-in")), text::SIGN_IN_OTHERWISE));
    }
    let view = Notice {
        shell: portal.frame.shell(told.title),
        lines: vec![(told.line)(label).into()],
        links,
    };
    portal.frame.page(told.status, &view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_comes_twice_is_not_there() {
        let back = way_back("state=a&code=1&code=2&iss=https%3A%2F%2Fop&x=y");
        assert_eq!((back.state.as_str(), back.code.as_str()), ("a", ""));
        assert_eq!((back.issuer.as_deref(), back.error), (Some("https://op"), None));
    }
}

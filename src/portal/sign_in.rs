//! Sign in and sign out (ux.md P-8, P-14).
//!
//! Before there is a session, a form is bound to the browser by a cookie of its own, so nobody can
//! be signed in as somebody else from another page (security.md G05).

use axum::extract::State;
use http::{HeaderValue, StatusCode};

use super::detour::{Detour, Reply, page, see_other};
use super::fields::{Posted, Unproven};
use super::onward::{Onward, Params};
use super::pages::{self, SignedOut};
use super::state::Portal;
use super::views::notice::{ConfirmAct, Notice};
use super::views::sign_in::{PasskeyForm, SignIn};
use super::views::{Hidden, Link, Problem};
use super::{new_password, text};
use crate::api::{Failure, Visit};
use crate::factors::Answer;
use crate::gate::passage::{SignIn as SignedIn, Visitor};

/// The form; or on, for those who are signed in already.
pub async fn show(State(portal): State<Portal>, params: Params, visit: Visit) -> Reply {
    let onward = portal.return_address(&params, &visit).await?;
    let journey = portal.journey(&onward).await?;
    let passage = &portal.services.passage;
    // Somebody of another source than the one that counts there may sign in anew.
    if visit
        .visitor
        .caller
        .as_ref()
        .is_some_and(|caller| passage.counts_for(caller, journey.as_ref()))
    {
        return Err(Detour::To(portal.next_page(&onward)));
    }
    let ways = passage.ways_in(journey.as_ref());
    if ways.is_empty() {
        return Ok(page(elsewhere(&portal), Vec::new()));
    }
    if let Some(only) = ways.only_provider() {
        return Err(Detour::To(onward.on(&portal.frame.url(&format!("sign-in/{}", only.source)))));
    }
    form(&portal, visit.visitor, &onward, Told::default()).await
}

/// A name and a password, or a passkey.
pub async fn submit(State(portal): State<Portal>, params: Params, request: Unproven) -> Reply {
    let Unproven { visit, form: fields } = request;
    let (passage, visitor) = (&portal.services.passage, &visit.visitor);
    passage.admit(visitor.address)?;
    let (name, password) = (fields.get("username"), fields.get("password"));
    let credential = fields.get("credential");
    let by_passkey = !credential.is_empty();
    let outcome = if !fields.is_ours(&portal.services, visitor) {
        SignedIn::Stale
    } else if by_passkey {
        let answer = Answer::Ceremony(credential.to_owned());
        passage.sign_in_by_passkey(visitor, fields.get("ceremony"), answer).await?
    } else if name.is_empty() || password.is_empty() {
        let told = Told::problem("username", text::SIGN_IN_EMPTY).named(name);
        return form(&portal, visit.visitor, &params.onward, told).await;
    } else {
        passage.sign_in(visitor, name, password).await?
    };
    let field = if by_passkey { "passkey" } else { "username" };
    let told = match outcome {
        SignedIn::Welcome { cookies, .. } => {
            return Ok(see_other(&portal.next_page(&params.onward), cookies));
        }
        SignedIn::NewPassword { ticket } => {
            return Ok(new_password::wanted(&portal, visit.visitor, &params.onward, &ticket));
        }
        SignedIn::Locked(locked) => return Err(Failure::Locked(locked).into()),
        // In another tab, while this page was open.
        SignedIn::Stale if visitor.caller.is_some() => {
            return Err(Detour::To(portal.next_page(&params.onward)));
        }
        SignedIn::Stale => Told::problem(field, text::SIGN_IN_STALE),
        SignedIn::Stopped(stop) => Told::problem(field, &text::sign_in_stopped(&stop)),
        SignedIn::Refused { gone } if by_passkey => {
            Told { forget: gone, ..Told::problem(field, text::SIGN_IN_PASSKEY_FAILED) }
        }
        SignedIn::Refused { .. } => Told::problem(field, text::SIGN_IN_FAILED),
    };
    form(&portal, visit.visitor, &params.onward, told.named(name)).await
}

/// Asks before it acts; where nobody is signed in, as after a sign-out from another site, says so.
pub async fn ask_sign_out(State(portal): State<Portal>, visit: Visit) -> Reply {
    if visit.visitor.caller.is_none() {
        let again = portal.frame.url("sign-in");
        let done = pages::signed_out(&portal.frame, SignedOut::at(&again));
        return Ok(page(done, Vec::new()));
    }
    Ok(page(sign_out_form(&portal, &visit, false), Vec::new()))
}

/// As [`ask_sign_out`], for every session of the person.
pub async fn ask_sign_out_everywhere(State(portal): State<Portal>, visit: Visit) -> Reply {
    portal.signed_in(&visit, &Onward::default().toward("my-mfa/sign-out-everywhere"))?;
    Ok(page(sign_out_form(&portal, &visit, true), Vec::new()))
}

/// Ends the session, or all of them.
pub async fn sign_out(State(portal): State<Portal>, posted: Posted) -> Reply {
    let everywhere = posted.fields.get("everywhere") == "yes";
    let (passage, visitor) = (&portal.services.passage, &posted.visit.visitor);
    let elsewhere = passage.elsewhere(visitor).await?;
    let cookies = passage.sign_out(visitor, everywhere).await?;
    let again = portal.frame.url("sign-in");
    let done = SignedOut {
        everywhere,
        storage: portal.clear_storage,
        elsewhere: elsewhere.as_ref(),
        ..SignedOut::at(&again)
    };
    let done = pages::signing_out(&portal.frame, done);
    Ok(page(done, cookies))
}

/// What the form shows of the last try.
#[derive(Default)]
struct Told {
    username: String,
    problem: Option<Problem>,
    /// Id of a passkey for the browser to forget.
    forget: Option<String>,
}

impl Told {
    fn problem(field: &'static str, message: &str) -> Self {
        Self { problem: Some(Problem::new(field, message)), ..Self::default() }
    }

    fn named(self, username: &str) -> Self {
        Self { username: username.to_owned(), ..self }
    }
}

async fn form(portal: &Portal, visitor: Visitor, onward: &Onward, told: Told) -> Reply {
    let Told { username, problem, forget } = told;
    let (visitor, cookie) = portal.services.passage.pre_session(visitor);
    let journey = portal.journey(onward).await?;
    let ways = portal.services.passage.ways_in(journey.as_ref());
    let providers = ways.providers.iter().map(|provider| {
        let path = portal.frame.url(&format!("sign-in/{}", provider.source));
        Link::new(onward.on(&path), text::continue_with(&provider.label))
    });
    let begun = portal.services.passage.begin_passkey_sign_in(&visitor, journey.as_ref())?;
    let passkey =
        begun.map(|begun| PasskeyForm { options: begun.options, ceremony: begun.ceremony, gone: forget });
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let view = SignIn {
        shell: portal.frame.shell(text::SIGN_IN).failed(problem.is_some()),
        action: onward.on(&portal.frame.url("sign-in")),
        hidden: Hidden::token(portal.services.passage.csrf_token(&visitor)),
        username,
        app: portal.app_of(onward).await,
        invited: onward.invitation.is_some(),
        passkey,
        forgotten: portal
            .services
            .challenges
            .mails_password_links()
            .then(|| onward.on(&portal.frame.url("sign-in/forgotten"))),
        password: ways.password,
        providers: providers.collect(),
        problem,
    };
    Ok(page(portal.frame.page(status, &view), cookie.into_iter().collect::<Vec<HeaderValue>>()))
}

fn elsewhere(portal: &Portal) -> super::frame::Page {
    let shell = portal.frame.shell(text::SIGN_IN);
    let view = Notice { shell, lines: vec![text::SIGN_IN_ELSEWHERE.into()], links: Vec::new() };
    portal.frame.page(StatusCode::OK, &view)
}

fn sign_out_form(portal: &Portal, visit: &Visit, everywhere: bool) -> super::frame::Page {
    let (title, line) = if everywhere {
        (text::SIGN_OUT_EVERYWHERE, text::SIGN_OUT_EVERYWHERE_TEXT)
    } else {
        (text::SIGN_OUT, text::SIGN_OUT_TEXT)
    };
    let hidden = Hidden::token(portal.services.passage.csrf_token(&visit.visitor));
    let view = ConfirmAct {
        shell: portal.shell(title, visit),
        action: portal.frame.url("sign-out"),
        hidden: if everywhere {
            hidden.with("everywhere", "yes")
        } else {
            hidden
        },
        lines: vec![line.into()],
        button: title,
        danger: false,
        back: Some(Link::new(portal.frame.url("my-mfa"), text::CANCEL)),
    };
    portal.frame.page(StatusCode::OK, &view)
}

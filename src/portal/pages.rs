//! The pages with which the gate and the doors answer when a request may not go on, or not yet.
//!
//! They tell a person what happened and what to do; never which rule decided, unless the operator
//! wrote words for it, and never anything a client sent.

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};

use super::frame::{Frame, Page};
use super::text;
use super::views::notice::{ConfirmAct, Notice};
use super::views::{Hidden, Line, Link, Timed};
use crate::ambient::UnixTime;
use crate::challenge::view::Locked;
use crate::gate::farewell::Elsewhere;

/// P-10: the person is known and may not come in. `reason` is the operator's own text.
#[must_use]
pub fn not_allowed(frame: &Frame, account: Option<&str>, reason: Option<&str>, reference: &str) -> Page {
    let mut lines = vec![Line::from(reason.unwrap_or(text::NOT_ALLOWED_TEXT))];
    lines.push(text::NOT_ALLOWED_HOW.into());
    let links = account.map(|_| Link::new(frame.url("sign-out"), text::SWITCH_ACCOUNT));
    let shell = frame.shell(text::NOT_ALLOWED).of(account).reference(reference);
    frame.page(StatusCode::FORBIDDEN, &Notice { shell, lines, links: links.into_iter().collect() })
}

/// P-11: this person's answers are not judged for now; with until when.
#[must_use]
pub fn locked(frame: &Frame, account: Option<&str>, locked: Locked, now: UnixTime, reference: &str) -> Page {
    let mut lines: Vec<Line> = Vec::new();
    let wait = match locked {
        Locked::Until(until) => {
            lines.push(text::TOO_MANY_TEXT.into());
            lines.push(Timed::new(until, text::try_again_at).into());
            until.since(now).max(1)
        }
        Locked::Stopped => return stopped(frame, account, reference),
        Locked::Hard => {
            lines.push(text::TOO_MANY_HARD.into());
            // No time will do; a day keeps clients that obey the header from asking in vain.
            86_400
        }
    };
    lines.push(text::WHAT_STILL_WORKS.into());
    too_many(frame, account, lines, wait, reference)
}

/// This person has said that something was not them.
fn stopped(frame: &Frame, account: Option<&str>, reference: &str) -> Page {
    let lines = vec![text::STOPPED_TEXT.into(), text::STOPPED_HOW.into()];
    let shell = frame.shell(text::STOPPED).of(account).reference(reference);
    frame.page(StatusCode::FORBIDDEN, &Notice { shell, lines, links: Vec::new() })
}

/// P-11 for a client network that asks too often.
#[must_use]
pub fn too_many_requests(frame: &Frame, retry_after: u32, now: UnixTime, reference: &str) -> Page {
    let again = now.plus(i64::from(retry_after));
    let lines = vec![
        text::TOO_MANY_REQUESTS_TEXT.into(),
        Timed::new(again, text::try_again_at).into(),
    ];
    too_many(frame, None, lines, i64::from(retry_after.max(1)), reference)
}

fn too_many(frame: &Frame, account: Option<&str>, lines: Vec<Line>, wait: i64, reference: &str) -> Page {
    let shell = frame.shell(text::TOO_MANY).of(account).reference(reference);
    let mut page = frame.page(StatusCode::TOO_MANY_REQUESTS, &Notice { shell, lines, links: Vec::new() });
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    page
}

/// P-12: something that is needed to decide does not answer.
#[must_use]
pub fn unavailable(frame: &Frame, reference: &str) -> Page {
    let lines = vec![text::UNAVAILABLE_TEXT.into(), text::UNAVAILABLE_HOW.into()];
    let shell = frame.shell(text::UNAVAILABLE).reference(reference);
    let view = Notice { shell, lines, links: Vec::new() };
    let mut page = frame.page(StatusCode::SERVICE_UNAVAILABLE, &view);
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    page
}

/// P-12 for a burst of sign-ins.
#[must_use]
pub fn busy(frame: &Frame, reference: &str) -> Page {
    let shell = frame.shell(text::BUSY).reference(reference);
    let view = Notice { shell, lines: vec![text::BUSY_TEXT.into()], links: Vec::new() };
    let mut page = frame.page(StatusCode::SERVICE_UNAVAILABLE, &view);
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    page
}

/// P-9: a form met a challenge and could not be kept. `back` is the page it probably came from, or
/// the app's front.
#[must_use]
pub fn form_not_sent(frame: &Frame, account: Option<&str>, app: &str, back: &str) -> Page {
    let shell = frame.shell(text::NOT_SENT).of(account);
    let lines = vec![text::NOT_SENT_TEXT.into(), text::NOT_SENT_HOW.into()];
    let links = vec![Link::new(back, text::not_sent_app(app))];
    frame.page(StatusCode::OK, &Notice { shell, lines, links })
}

/// P-9 with the form kept: asks before anything is sent. `action` answers the POST; `fields` are
/// the hidden fields that name and protect the kept request; `cancel` is where "Don't send it" leads.
#[must_use]
pub fn send_it_now(
    frame: &Frame,
    account: Option<&str>,
    app: &str,
    action: &str,
    fields: Hidden,
    cancel: &str,
) -> Page {
    let view = ConfirmAct {
        shell: frame.shell(text::SEND_NOW).of(account),
        action: action.to_owned(),
        hidden: fields,
        lines: vec![text::SEND_NOW_TEXT.into(), text::send_to(app).into()],
        button: text::SEND_NOW_BUTTON,
        danger: false,
        back: Some(Link::new(cancel, text::DONT_SEND)),
    };
    frame.page(StatusCode::OK, &view)
}

/// What a sign-out has ended, and what not.
#[derive(Clone, Copy)]
pub struct SignedOut<'a> {
    /// Every session of the person.
    pub everywhere: bool,
    /// Whether what the origin's scripts have stored goes too: only where no app lives there (decision 1).
    pub storage: bool,
    pub elsewhere: Option<&'a Elsewhere>,
    /// Where they can sign in again.
    pub sign_in: &'a str,
}

impl<'a> SignedOut<'a> {
    /// Of this session alone.
    #[must_use]
    pub const fn at(sign_in: &'a str) -> Self {
        Self { everywhere: false, storage: false, elsewhere: None, sign_in }
    }
}

/// P-14, as told to whoever is signed out already.
#[must_use]
pub fn signed_out(frame: &Frame, done: SignedOut<'_>) -> Page {
    let first = if done.everywhere {
        text::SIGNED_OUT_EVERYWHERE_TEXT
    } else if done.elsewhere.is_some() {
        text::SIGNED_OUT_HERE_TEXT
    } else {
        text::SIGNED_OUT_TEXT
    };
    let mut lines = vec![first.into()];
    let mut links = vec![Link::new(done.sign_in, text::SIGN_IN_AGAIN)];
    if let Some(there) = done.elsewhere {
        lines.push(if there.url.is_some() {
            text::SIGNED_IN_ELSEWHERE.into()
        } else {
            text::SIGNED_IN_ELSEWHERE_UNKNOWN.into()
        });
        if let Some(url) = &there.url {
            links.insert(0, Link::new(url.as_str(), text::SIGN_OUT_THERE));
        }
    }
    let view = Notice { shell: frame.shell(text::SIGNED_OUT), lines, links };
    frame.page(StatusCode::OK, &view)
}

/// P-14, as the answer to the sign-out itself: what this origin left in the browser goes too.
#[must_use]
pub fn signing_out(frame: &Frame, done: SignedOut<'_>) -> Page {
    let mut page = signed_out(frame, done);
    let clear = if done.storage {
        "\"cache\", \"storage\""
    } else {
        "\"cache\""
    };
    page.headers_mut()
        .insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static(clear));
    page
}

/// The request broke the grammar.
#[must_use]
pub fn bad_request(frame: &Frame, reference: &str) -> Page {
    failure(frame, StatusCode::BAD_REQUEST, text::BAD_REQUEST, text::BAD_REQUEST_TEXT, reference)
}

/// A form of ours came without its token, or from another origin.
#[must_use]
pub fn stale_form(frame: &Frame, reference: &str) -> Page {
    failure(frame, StatusCode::FORBIDDEN, text::STALE_FORM, text::STALE_FORM_TEXT, reference)
}

#[must_use]
pub fn not_found(frame: &Frame, reference: &str) -> Page {
    failure(frame, StatusCode::NOT_FOUND, text::NOT_FOUND, text::NOT_FOUND_TEXT, reference)
}

/// The upstream could not be reached, or broke off.
#[must_use]
pub fn bad_gateway(frame: &Frame, reference: &str) -> Page {
    failure(frame, StatusCode::BAD_GATEWAY, text::BAD_GATEWAY, text::BAD_GATEWAY_TEXT, reference)
}

/// The upstream did not answer in time.
#[must_use]
pub fn gateway_timeout(frame: &Frame, reference: &str) -> Page {
    let (title, line) = (text::GATEWAY_TIMEOUT, text::GATEWAY_TIMEOUT_TEXT);
    failure(frame, StatusCode::GATEWAY_TIMEOUT, title, line, reference)
}

/// Any other failure, by its status alone.
#[must_use]
pub fn error(frame: &Frame, status: StatusCode, reference: &str) -> Page {
    match status {
        StatusCode::NOT_FOUND => not_found(frame, reference),
        StatusCode::BAD_GATEWAY => bad_gateway(frame, reference),
        StatusCode::GATEWAY_TIMEOUT => gateway_timeout(frame, reference),
        StatusCode::FORBIDDEN => not_allowed(frame, None, None, reference),
        status if status.is_server_error() => {
            failure(frame, status, text::UNAVAILABLE, text::UNAVAILABLE_TEXT, reference)
        }
        status => failure(frame, status, text::BAD_REQUEST, text::BAD_REQUEST_TEXT, reference),
    }
}

fn failure(frame: &Frame, status: StatusCode, title: &str, line: &str, reference: &str) -> Page {
    let shell = frame.shell(title).reference(reference);
    frame.page(status, &Notice { shell, lines: vec![line.into()], links: Vec::new() })
}

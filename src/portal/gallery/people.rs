//! What people meet beside the ordinary: nothing set up, something switched off, the last of something.

use http::StatusCode;

use super::super::frame::{Frame, Page};
use super::super::text;
use super::super::views::enrol::{Choose, Offer};
use super::super::views::my_mfa::{MyMfa, Row, SessionRow};
use super::super::views::notice::{ConfirmAct, Notice};
use super::super::views::{Line, Link, Timed};
use super::{NAME, NOW, hidden};
use crate::config::FactorKind;
use crate::gate::passage::SessionView;

fn nothing_yet(frame: &Frame) -> Page {
    let session = SessionView {
        id: "s1".to_owned(),
        source: "local".to_owned(),
        agent: String::new(),
        address: None,
        since: NOW.plus(-60),
        last_seen: NOW,
        until: NOW.plus(36_000),
        current: true,
    };
    let view = MyMfa {
        shell: frame.shell(text::SETTINGS).of(Some(NAME)).wide(),
        hidden: hidden(),
        done: None,
        rows: Row::all(&[]),
        status: text::ways_status(0),
        until: Some(Timed::new(NOW.plus(7 * 86_400), text::until)),
        offer_codes: false,
        password: false,
        browsers: Vec::new(),
        apps: Vec::new(),
        sessions: vec![SessionRow::from(session)],
    };
    frame.page(StatusCode::OK, &view)
}

fn choose_while_in_grace(frame: &Frame) -> Page {
    let view = Choose {
        shell: frame.shell(text::ADD_A_WAY).of(Some(NAME)),
        action: frame.url("enrol"),
        hidden: hidden(),
        lead: text::ADD_WHY.to_owned(),
        until: Some(Timed::new(NOW.plus(7 * 86_400), text::until)),
        offers: vec![Offer::from(FactorKind::Passkey), Offer::from(FactorKind::Totp)],
        back: Some(Link::new(frame.url("my-mfa"), text::NOT_NOW)),
    };
    frame.page(StatusCode::OK, &view)
}

fn asks_once_more(frame: &Frame, title: &str, lines: Vec<Line>, button: &'static str, danger: bool) -> Page {
    let view = ConfirmAct {
        shell: frame.shell(title).of(Some(NAME)),
        action: frame.url("my-mfa/x"),
        hidden: hidden(),
        lines,
        button,
        danger,
        back: Some(Link::new(frame.url("my-mfa"), text::CANCEL)),
    };
    frame.page(StatusCode::OK, &view)
}

fn says(frame: &Frame, title: &str, lines: Vec<Line>) -> Page {
    let links = vec![Link::new(frame.url("sign-out"), text::SWITCH_ACCOUNT)];
    frame.page(StatusCode::OK, &Notice { shell: frame.shell(title).of(Some(NAME)), lines, links })
}

pub fn pages(frame: &Frame) -> Vec<(&'static str, Page)> {
    let off = text::way_is_off(&["Text message, ending 56"]);
    vec![
        ("my-mfa-empty", nothing_yet(frame)),
        ("enrol-in-grace", choose_while_in_grace(frame)),
        ("way-is-off", says(frame, text::WAY_IS_OFF, vec![off.into(), text::WAY_IS_OFF_HOW.into()])),
        (
            "ask-first",
            asks_once_more(
                frame,
                &text::first_title("Phone"),
                vec![text::FIRST_TEXT.into()],
                text::ASK_FIRST,
                false,
            ),
        ),
        (
            "sign-out",
            asks_once_more(frame, text::SIGN_OUT, vec![text::SIGN_OUT_TEXT.into()], text::SIGN_OUT, false),
        ),
        (
            "invitation",
            asks_once_more(
                frame,
                text::INVITATION,
                vec![text::INVITATION_LEAD.into()],
                text::CONTINUE,
                false,
            ),
        ),
        (
            "new-codes",
            asks_once_more(
                frame,
                text::RENEW_CODES_TITLE,
                vec![text::RENEW_CODES_TEXT.into()],
                text::RENEW_CODES,
                false,
            ),
        ),
        (
            "link-on-its-way",
            says(
                frame,
                text::LINK_ON_ITS_WAY,
                vec![
                    text::LINK_ON_ITS_WAY_TEXT.into(),
                    text::LINK_ON_ITS_WAY_HOW.into(),
                ],
            ),
        ),
    ]
}

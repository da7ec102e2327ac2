//! The pages of passkeys: the browser is asked, and the server has said something.

use super::*;
use crate::portal::views::enrol::NewPasskey;

fn passkey() -> Way {
    let shows = Shows::Passkey { options: ceremony() };
    Way {
        prompt: Prompt::Passkey,
        starts: Starts::WhenShown,
        started: Some(StartedView { shows, at: NOW, again_at: None, expires_at: NOW.plus(300) }),
        ..way(FactorKind::Passkey, "1Password")
    }
}

fn enrol_passkey(frame: &Frame) -> Page {
    enrol(frame, FactorKind::Passkey, Setup::Passkey { options: ceremony() }, Prompt::Passkey)
}

fn new_passkey(frame: &Frame, stays: bool, problem: Option<Problem>) -> Page {
    let view = NewPasskey {
        shell: frame.shell(text::PASSKEY_ADDED).of(Some(NAME)).failed(problem.is_some()),
        action: frame.url("my-mfa/new-passkey/e1"),
        hidden: hidden(),
        stays,
        alone: true,
        name: "Firefox on Linux".to_owned(),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

/// Using one, making one, and what is said of a new one.
pub(super) fn pages(frame: &Frame) -> [(&'static str, Page); 6] {
    let wrong = Problem::new("code", text::wrong(FactorKind::Passkey));
    [
        ("challenge-passkey", challenge(frame, passkey(), None, "")),
        ("challenge-passkey-wrong", challenge(frame, passkey(), Some(wrong), "")),
        ("enrol-passkey", enrol_passkey(frame)),
        ("new-passkey-synced", new_passkey(frame, false, None)),
        ("new-passkey-bound", new_passkey(frame, true, None)),
        (
            "new-passkey-unnamed",
            new_passkey(frame, true, Some(Problem::new("name", text::NAME_EMPTY))),
        ),
    ]
}

//! The pages of codes that are sent: the number, before and after a text, and what is said when none can go.

use super::*;
use crate::challenge::view::Cap;
use crate::delivery::Reason;
use crate::portal::told;
use crate::portal::views::enrol::{Country, Details};

fn country(code: &str, calling: u16, number: &str) -> Country {
    let name = text::country(code);
    Country {
        code: code.to_owned(),
        name: format!("{name} (+{calling})"),
        example: Some(text::number_example(name, number)),
    }
}

fn number(frame: &Frame, kind: FactorKind, problem: Option<Problem>) -> Page {
    let view = Details {
        shell: frame.shell(text::adding(kind)).of(Some(NAME)).failed(problem.is_some()),
        title: text::adding(kind),
        kind,
        action: frame.url("enrol"),
        hidden: hidden(),
        details: &[crate::factors::Detail::Number],
        countries: vec![
            country("DE", 49, "01512 3456789"),
            country("VC", 1, "(784) 430-1234"),
        ],
        country: "DE".to_owned(),
        number: problem.as_ref().map(|_| "0900 1234567".to_owned()).unwrap_or_default(),
        address: String::new(),
        back: frame.url("enrol"),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

/// Another code was asked for, and this is what is said. `None`: a first text may be asked for.
fn texted(frame: &Frame, doubtful: Option<bool>, beginning: Option<&Beginning>) -> Page {
    let to = "ending 56".to_owned();
    let started = doubtful.map(|doubtful| StartedView {
        shows: Shows::Sent { to: to.clone(), doubtful },
        at: NOW,
        again_at: Some(NOW.plus(60)),
        expires_at: NOW.plus(300),
    });
    let told = beginning
        .map(|one| told::not_begun(FactorKind::Sms, one, NOW))
        .unwrap_or_default();
    let way = Way {
        prompt: Prompt::Code { digits: 8 },
        hint: Some(to),
        starts: Starts::OnRequest,
        started,
        ..way(FactorKind::Sms, "Text message, ending 56")
    };
    let view = Challenge {
        shell: frame.shell(text::CONFIRM).of(Some(NAME)).failed(told.problem.is_some()),
        action: frame.url("challenge?j=j1"),
        hidden: hidden(),
        purpose: purpose(),
        way,
        passkeys: Vec::new(),
        value: String::new(),
        start: frame.url("challenge/start?j=j1"),
        said: told.status,
        ways_url: frame.url("challenge/ways?j=j1"),
        instead: told
            .away
            .then(|| Link::new(frame.url("challenge?j=j1&way=phone"), text::use_instead("Phone"))),
        problem: told.problem,
        now: NOW,
    };
    frame.page(StatusCode::OK, &view)
}

pub(super) fn pages(frame: &Frame) -> Vec<(&'static str, Page)> {
    let premium = Problem::new("number", text::refusal(crate::factors::Refusal::Premium));
    let held = |cap| Beginning::NotYet { until: NOW.plus(3600), cap };
    vec![
        ("number", number(frame, FactorKind::Sms, None)),
        ("number-refused", number(frame, FactorKind::Sms, Some(premium))),
        ("number-for-calls", number(frame, FactorKind::Voice, None)),
        ("text", texted(frame, None, None)),
        ("text-sent", texted(frame, Some(false), None)),
        ("text-doubtful", texted(frame, Some(true), None)),
        ("text-too-soon", texted(frame, Some(false), Some(&held(Cap::Resend)))),
        ("text-enough", texted(frame, Some(false), Some(&held(Cap::Person)))),
        ("text-overall", texted(frame, None, Some(&held(Cap::Overall)))),
        ("text-down", texted(frame, None, Some(&Beginning::Refused(Reason::Unavailable)))),
    ]
}

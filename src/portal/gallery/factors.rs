//! The challenge and set-up pages of every kind of factor, in every state that people meet.

use http::StatusCode;

use super::super::frame::{Frame, Page};
use super::super::text;
use super::super::views::challenge::{Challenge, Leaving, Ways};
use super::super::views::enrol::{Confirm, Details};
use super::super::views::{Link, Problem};
use super::{NAME, NOW, hidden, purpose, way};
use crate::challenge::view::{StartedView, Step, Way, WhyNot};
use crate::config::FactorKind;
use crate::delivery::Reason;
use crate::factors::{Detail, Prompt, Setup, Shows, Starts};

const CODE: Prompt = Prompt::Code { digits: 8 };

fn of(factor: FactorKind, name: &str, prompt: Prompt) -> Way {
    let starts = match factor {
        FactorKind::Hotp | FactorKind::Yubikey | FactorKind::Radius | FactorKind::TemporaryCode => {
            Starts::Never
        }
        _ => Starts::OnRequest,
    };
    Way { prompt, starts, hint: Some("ending 56".to_owned()), ..way(factor, name) }
}

fn begun(way: Way, shows: Shows, again: Option<i64>) -> Way {
    let again_at = again.map(|seconds| NOW.plus(seconds));
    Way {
        started: Some(StartedView { shows, at: NOW, again_at, expires_at: NOW.plus(300) }),
        ..way
    }
}

fn texted(again: i64) -> Way {
    let shows = Shows::Sent { to: "ending 56".to_owned(), doubtful: false };
    begun(of(FactorKind::Sms, "Text message, ending 56", CODE), shows, Some(again))
}

fn duo() -> Way {
    Way {
        choices: &["push", "phone", "text"],
        takes_code_at_once: true,
        ..of(FactorKind::Duo, "Duo", Prompt::Approve)
    }
}

fn asks(frame: &Frame, way: Way) -> Challenge {
    Challenge {
        shell: frame.shell(text::CONFIRM).of(Some(NAME)),
        action: frame.url("challenge?j=j1"),
        start: frame.url("challenge/start?j=j1"),
        hidden: hidden(),
        purpose: purpose(),
        way,
        passkeys: Vec::new(),
        value: String::new(),
        said: None,
        ways_url: frame.url("challenge/ways?j=j1"),
        instead: None,
        problem: None,
        now: NOW,
    }
}

fn shown(frame: &Frame, view: Challenge) -> Page {
    let shell = view.shell.clone().failed(view.problem.is_some());
    frame.page(StatusCode::OK, &Challenge { shell, ..view })
}

/// The service is down, and another way is offered at once.
fn refused(frame: &Frame, way: Way) -> Page {
    let problem = Problem::new("start", text::refused(way.factor, Reason::Unavailable));
    let instead = Some(Link::new(frame.url("challenge?j=j1&way=phone"), text::use_instead("Phone")));
    shown(frame, Challenge { problem: Some(problem), instead, ..asks(frame, way) })
}

fn step(frame: &Frame, now: usize) -> Page {
    let step = Some(Step { now, of: 2 });
    let view = asks(frame, super::way(FactorKind::Totp, "Phone"));
    let shell = frame.shell(text::confirm_step(now, 2)).of(Some(NAME));
    shown(
        frame,
        Challenge { shell, purpose: crate::challenge::view::Purpose { step, ..purpose() }, ..view },
    )
}

fn ways(frame: &Frame) -> Page {
    let reasons = [
        WhyNot::OtherKind,
        WhyNot::Lacks { properties: vec!["phishing_resistant"] },
        WhyNot::Lacks { properties: vec!["phishing_resistant", "device_bound"] },
        WhyNot::OnlyBeside,
        WhyNot::LastResort,
        WhyNot::Done,
        WhyNot::Off,
    ];
    let refused = reasons.into_iter().map(|why| Way {
        accepted: false,
        why_not: Some(why),
        ..of(FactorKind::Sms, "Text message, ending 56", CODE)
    });
    let mut empty = way(FactorKind::RecoveryCode, "Recovery codes");
    (empty.accepted, empty.left, empty.why_not) = (false, Some(0), Some(WhyNot::UsedUp));
    let own = [
        way(FactorKind::Totp, "Phone"),
        of(FactorKind::Sms, "The number of my old telephone at home", CODE),
        of(FactorKind::Email, "E-mail a…@example.com", CODE),
    ];
    let all: Vec<Way> = own.into_iter().chain(refused).chain([empty]).collect();
    let view = Ways {
        shell: frame.shell(text::ANOTHER_WAY).of(Some(NAME)),
        hidden: super::Hidden::default().with("j", "j1"),
        app: "Payroll".to_owned(),
        ways: Ways::rows(&all, "Payroll"),
        any_accepted: true,
        add_url: Some(frame.url("enrol?j=j1")),
    };
    frame.page(StatusCode::OK, &view)
}

fn leaving(frame: &Frame) -> Page {
    let view = Leaving {
        shell: frame.shell(text::LEAVING).of(Some(NAME)),
        url: "https://api-1.duosecurity.com/oauth".to_owned(),
        back: frame.url("challenge?j=j1"),
    };
    frame.page(StatusCode::OK, &view)
}

fn address(frame: &Frame) -> Page {
    let kind = FactorKind::Email;
    let view = Details {
        shell: frame.shell(text::adding(kind)).of(Some(NAME)),
        title: text::adding(kind),
        kind,
        action: frame.url("enrol"),
        hidden: hidden(),
        details: &[Detail::Address],
        countries: Vec::new(),
        country: String::new(),
        number: String::new(),
        address: "anna@example.com".to_owned(),
        back: frame.url("enrol"),
        problem: None,
    };
    frame.page(StatusCode::OK, &view)
}

fn confirms(
    frame: &Frame,
    kind: FactorKind,
    setup: Setup,
    prompt: Prompt,
    way: Option<Way>,
    problem: Option<Problem>,
) -> Page {
    let view = Confirm {
        shell: frame.shell(text::adding(kind)).of(Some(NAME)).failed(problem.is_some()),
        title: text::adding(kind),
        kind,
        action: frame.url("enrol/e1"),
        start: frame.url("enrol/e1/start"),
        hidden: hidden(),
        resend: !matches!(setup, Setup::OneTimePassword),
        setup,
        prompt,
        started: way.and_then(|way| way.started),
        to: "ending 56".to_owned(),
        said: None,
        value: String::new(),
        back: frame.url("my-mfa"),
        others: None,
        problem,
        now: NOW,
    };
    frame.page(StatusCode::OK, &view)
}

pub fn pages(frame: &Frame) -> Vec<(&'static str, Page)> {
    let plain = |way: Way| shown(frame, asks(frame, way));
    let number = Shows::Approve { number: Some("123 456".to_owned()), device: Some("iPhone".to_owned()) };
    let question = Shows::Question { says: Some("Enter the next code of your key fob.".to_owned()) };
    let mail = Shows::Sent { to: "a…@example.com".to_owned(), doubtful: false };
    let wrong_passcode = Challenge {
        problem: Some(Problem::new("passcode", text::wrong(FactorKind::Duo))),
        ..asks(frame, begun(duo(), number.clone(), Some(60)))
    };
    let to = || Setup::Sent { to: "ending 56".to_owned() };
    let down = Problem::new("start", text::refused(FactorKind::Sms, Reason::Unavailable));
    vec![
        ("text-sent-a-while-ago", plain(texted(-5))),
        ("text-service-away", refused(frame, of(FactorKind::Sms, "Text message, ending 56", CODE))),
        ("text-service-away-again", refused(frame, texted(-5))),
        ("call-start", plain(of(FactorKind::Voice, "Phone call, ending 56", CODE))),
        (
            "mail-sent",
            plain(begun(of(FactorKind::Email, "E-mail a…@example.com", CODE), mail, Some(60))),
        ),
        ("duo-start", plain(duo())),
        ("duo-passcode-wrong", shown(frame, wrong_passcode)),
        ("duo-approve", plain(begun(duo(), number, Some(60)))),
        (
            "duo-elsewhere",
            plain(Way {
                choices: &[],
                takes_code_at_once: false,
                ..of(FactorKind::Duo, "Duo", Prompt::Redirect)
            }),
        ),
        ("leaving", leaving(frame)),
        ("radius", plain(of(FactorKind::Radius, "Company code", Prompt::OneTimePassword))),
        (
            "radius-question",
            plain(begun(of(FactorKind::Radius, "Company code", Prompt::OneTimePassword), question, None)),
        ),
        ("yubikey", plain(of(FactorKind::Yubikey, "YubiKey 1234567", Prompt::OneTimePassword))),
        ("hotp", plain(of(FactorKind::Hotp, "Key fob", Prompt::Code { digits: 6 }))),
        (
            "temporary-code",
            plain(of(FactorKind::TemporaryCode, "Temporary code", Prompt::OneTimePassword)),
        ),
        ("step-1", step(frame, 1)),
        ("step-2", step(frame, 2)),
        ("ways-and-reasons", ways(frame)),
        ("address", address(frame)),
        ("number-sent", confirms(frame, FactorKind::Sms, to(), CODE, Some(texted(42)), None)),
        ("number-not-sent", confirms(frame, FactorKind::Sms, to(), CODE, None, Some(down))),
        ("add-duo", confirms(frame, FactorKind::Duo, Setup::Approve, Prompt::Approve, None, None)),
        (
            "add-yubikey",
            confirms(frame, FactorKind::Yubikey, Setup::OneTimePassword, Prompt::OneTimePassword, None, None),
        ),
    ]
}

//! Every page once, with sample values: what the tests of tone, markup and headers read, and what
//! a person looks at. `STEPGATE_GALLERY=DIR cargo test gallery` writes the pages to files.

mod factors;
mod messages;
mod passkeys;
mod people;
mod refusals;

use http::StatusCode;

use super::frame::{Frame, Page};
use super::pages;
use super::qr::Qr;
use super::text;
use super::views::challenge::{Challenge, Confirmed, Ways};
use super::views::enrol::{Choose, Confirm, Offer, RecoveryCodes, Totp};
use super::views::my_mfa::{BrowserRow, MyMfa, Rename, Row, SessionRow};
use super::views::new_password::{Forgotten, NewPassword};
use super::views::notice::{ConfirmAct, Notice};
use super::views::sign_in::{AppSignIn, PasskeyForm, SignIn};
use super::views::{Hidden, Link, Problem, Timed};
use crate::ambient::UnixTime;
use crate::challenge::trusted::TrustedView;
use crate::challenge::view::{Beginning, EnrolmentView, Purpose, StartedView, Way, WhyNot};
use crate::config::FactorKind;
use crate::factors::{Prompt, Setup, Shows, Starts};
use crate::gate::passage::SessionView;
use crate::identity::local::BadPassword;
use crate::policy::{EnrolmentId, TrustId};

const NOW: UnixTime = UnixTime(1_795_327_500);
const REFERENCE: &str = "k3x9m2q7";
const NAME: &str = "Maja <b>Berg</b>";

fn hidden() -> Hidden {
    Hidden::token("t0ken".to_owned()).with("challenge", "c1")
}

fn purpose() -> Purpose {
    Purpose {
        levels: vec!["standard".to_owned()],
        app: "Payroll".to_owned(),
        reason: Some("Salaries are shown here.".to_owned()),
        remember: Some(30 * 86_400),
        step: None,
        done: Vec::new(),
    }
}

fn way(factor: FactorKind, name: &str) -> Way {
    let codes = factor == FactorKind::RecoveryCode;
    Way {
        enrolment: EnrolmentId(name.to_lowercase().replace(' ', "-").into()),
        factor,
        name: name.to_owned(),
        prompt: if codes {
            Prompt::RecoveryCode
        } else {
            Prompt::Code { digits: 6 }
        },
        hint: None,
        starts: Starts::Never,
        choices: &[],
        takes_code_at_once: false,
        started: None,
        last_used: (name == "Phone").then_some(NOW.plus(-86_400)),
        accepted: true,
        why_not: None,
        left: codes.then_some(8),
    }
}

fn challenge(frame: &Frame, way: Way, problem: Option<Problem>, value: &str) -> Page {
    let view = Challenge {
        shell: frame.shell(text::CONFIRM).of(Some(NAME)).failed(problem.is_some()),
        action: frame.url("challenge?j=j1"),
        hidden: hidden(),
        purpose: purpose(),
        way,
        passkeys: vec!["1Password".to_owned(), "YubiKey 5".to_owned()],
        value: value.to_owned(),
        start: frame.url("challenge/start?j=j1"),
        said: None,
        ways_url: frame.url("challenge/ways?j=j1"),
        instead: None,
        problem,
        now: NOW,
    };
    frame.page(StatusCode::OK, &view)
}

fn ceremony() -> serde_json::Value {
    serde_json::json!({ "publicKey": { "challenge": "AAAA", "rpId": "example.com" } })
}

/// What is judged by its own device or elsewhere; `says`: the words of the server that asks something more.
fn token(factor: FactorKind, name: &str, says: Option<&str>) -> Way {
    let shows = |says: &str| Shows::Question { says: Some(says.to_owned()) };
    let started =
        |says| StartedView { shows: shows(says), at: NOW, again_at: None, expires_at: NOW.plus(300) };
    let prompt = match factor {
        FactorKind::Hotp => Prompt::Code { digits: 6 },
        _ => Prompt::OneTimePassword,
    };
    Way { prompt, started: says.map(started), ..way(factor, name) }
}

fn enrol(frame: &Frame, kind: FactorKind, setup: Setup, prompt: Prompt) -> Page {
    let view = Confirm {
        shell: frame.shell(text::adding(kind)).of(Some(NAME)),
        title: text::adding(kind),
        kind,
        action: frame.url("enrol/e1"),
        start: frame.url("enrol/e1/start"),
        hidden: hidden(),
        setup,
        prompt,
        started: None,
        resend: false,
        to: String::new(),
        said: None,
        value: String::new(),
        back: frame.url("my-mfa"),
        others: None,
        problem: None,
        now: NOW,
    };
    frame.page(StatusCode::OK, &view)
}

fn sign_in(frame: &Frame, problem: Option<Problem>) -> Page {
    let view = SignIn {
        shell: frame.shell(text::SIGN_IN).failed(problem.is_some()),
        action: frame.url("sign-in"),
        hidden: hidden(),
        username: if problem.is_some() {
            "maja".to_owned()
        } else {
            String::new()
        },
        app: Some("Payroll".to_owned()),
        invited: false,
        passkey: Some(PasskeyForm { options: ceremony(), ceremony: "c3ealed".to_owned(), gone: None }),
        password: true,
        providers: Vec::new(),
        forgotten: Some(frame.url("sign-in/forgotten")),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

fn forgotten(frame: &Frame) -> Page {
    let view = Forgotten {
        shell: frame.shell(text::FORGOTTEN),
        action: frame.url("sign-in/forgotten"),
        hidden: hidden(),
        username: String::new(),
        back: frame.url("sign-in"),
        problem: None,
    };
    frame.page(StatusCode::OK, &view)
}

fn new_password(frame: &Frame, current: bool, problem: Option<Problem>) -> Page {
    let view = NewPassword {
        shell: frame.shell(text::CHOOSE_PASSWORD).failed(problem.is_some()),
        action: frame.url("new-password"),
        hidden: hidden(),
        username: "maja".to_owned(),
        lead: Some(if current {
            text::PASSWORD_CHANGE_LEAD
        } else {
            text::PASSWORD_MUST_CHANGE
        }),
        current,
        hint: text::password_hint(8),
        back: current.then(|| frame.url("my-mfa")),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

/// Sign in at one of several providers; `password`: or here.
fn sign_in_at(frame: &Frame, password: bool) -> Page {
    let provider = |source: &str, label: &str| {
        Link::new(frame.url(&format!("sign-in/{source}")), text::continue_with(label))
    };
    let view = SignIn {
        shell: frame.shell(text::SIGN_IN),
        action: frame.url("sign-in"),
        hidden: hidden(),
        username: String::new(),
        app: Some("Payroll".to_owned()),
        invited: false,
        passkey: None,
        password,
        providers: vec![
            provider("staff", "Example Login"),
            provider("partners", "the Sign-in Service for Partners and Suppliers"),
        ],
        forgotten: None,
        problem: None,
    };
    frame.page(StatusCode::OK, &view)
}

fn ways(frame: &Frame) -> Page {
    let mut other = way(FactorKind::Totp, "Tablet");
    other.accepted = false;
    other.why_not = Some(WhyNot::OtherKind);
    let ways = [
        way(FactorKind::Totp, "Phone"),
        other,
        way(FactorKind::RecoveryCode, "Recovery codes"),
    ];
    let view = Ways {
        shell: frame.shell(text::ANOTHER_WAY).of(Some(NAME)),
        hidden: Hidden::default().with("j", "j1"),
        app: "Payroll".to_owned(),
        ways: Ways::rows(&ways, "Payroll"),
        any_accepted: true,
        add_url: Some(frame.url("enrol?j=j1")),
    };
    frame.page(StatusCode::OK, &view)
}

fn choose(frame: &Frame) -> Page {
    let view = Choose {
        shell: frame.shell(text::ADD_A_WAY).of(Some(NAME)),
        action: frame.url("enrol"),
        hidden: hidden(),
        lead: text::app_needs_more("Payroll"),
        until: None,
        offers: FactorKind::ALL.into_iter().map(Offer::from).collect(),
        back: Some(Link::new(frame.url("my-mfa"), text::CANCEL)),
    };
    frame.page(StatusCode::OK, &view)
}

fn totp(frame: &Frame, problem: Option<Problem>) -> Page {
    let uri = "otpauth://totp/Example:maja?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example";
    let view = Totp {
        shell: frame.shell(text::TOTP_TITLE).of(Some(NAME)).failed(problem.is_some()),
        action: frame.url("enrol/e1"),
        hidden: hidden(),
        qr: Qr::new(uri).unwrap(),
        uri: uri.to_owned(),
        key: Totp::grouped("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
        name: text::NAME_DEFAULT.to_owned(),
        value: String::new(),
        back: frame.url("my-mfa"),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

fn recovery_codes(frame: &Frame, problem: Option<Problem>) -> Page {
    let view = RecoveryCodes {
        shell: frame.shell(text::RECOVERY_TITLE).of(Some(NAME)).failed(problem.is_some()),
        action: frame.url("enrol/e2"),
        hidden: hidden(),
        codes: (0..10).map(|i| format!("7q4{i}-x9k2-b3tz-w8vd")).collect(),
        download: frame.url("enrol/e2/recovery-codes.txt"),
        skip: frame.url("my-mfa"),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

fn app_sign_in(frame: &Frame, problem: Option<Problem>) -> Page {
    let view = AppSignIn {
        shell: frame
            .shell(text::app_sign_in("Payroll"))
            .of(Some(NAME))
            .failed(problem.is_some()),
        action: "/.stepgate/app-sign-in?j=j1".to_owned(),
        hidden: hidden(),
        app: "Payroll".to_owned(),
        username: String::new(),
        problem,
    };
    frame.page(StatusCode::OK, &view)
}

fn my_mfa(frame: &Frame) -> Page {
    let row = |factor, name: &str, used: Option<i64>, left| EnrolmentView {
        id: EnrolmentId(name.to_lowercase().into()),
        factor,
        name: name.to_owned(),
        hint: None,
        note: None,
        stays: false,
        added: NOW.plus(-8_640_000),
        last_used: used.map(|ago| NOW.plus(-ago)),
        last_used_by: used.map(|_| "Firefox on Linux".to_owned()),
        left,
        is_default: name == "Phone",
        is_off: factor == FactorKind::Sms,
    };
    let list = [
        row(FactorKind::Totp, "Phone", Some(3600), None),
        row(FactorKind::Totp, "Tablet <i>", None, None),
        row(FactorKind::Sms, "Text message, ending 56", Some(9_000_000), None),
        row(FactorKind::RecoveryCode, "codes", None, Some(8)),
    ];
    let view = MyMfa {
        shell: frame.shell(text::SETTINGS).of(Some(NAME)).wide(),
        hidden: hidden(),
        done: Some(text::ADDED_NOTICE),
        rows: Row::all(&list),
        status: text::ways_status(2),
        until: None,
        offer_codes: false,
        password: true,
        apps: vec![Link::new(
            frame.url("my-mfa/app-sign-in/Payroll/forget"),
            "Payroll <b>",
        )],
        browsers: vec![BrowserRow::from(TrustedView {
            id: TrustId("b1".into()),
            agent: "Firefox on Linux".to_owned(),
            since: NOW.plus(-90_000),
            last_used: NOW.plus(-600),
            until: NOW.plus(2_000_000),
        })],
        sessions: [(true, "Firefox on Linux"), (false, "Safari on iPhone")]
            .map(|(current, agent)| {
                SessionRow::from(SessionView {
                    id: agent.to_owned(),
                    source: "local".to_owned(),
                    agent: agent.to_owned(),
                    address: Some("203.0.113.9".to_owned()),
                    since: NOW.plus(-7_200),
                    last_seen: NOW.plus(-60),
                    until: NOW.plus(36_000),
                    current,
                })
            })
            .into(),
    };
    frame.page(StatusCode::OK, &view)
}

fn remove(frame: &Frame) -> Page {
    let view = ConfirmAct {
        shell: frame.shell(text::remove_title("Phone")).of(Some(NAME)),
        action: frame.url("my-mfa/remove/phone"),
        hidden: hidden(),
        lines: vec![
            text::remove_effect(FactorKind::Totp).into(),
            text::REMOVE_LAST.into(),
        ],
        button: text::REMOVE,
        danger: true,
        back: Some(Link::new(frame.url("my-mfa"), text::KEEP)),
    };
    frame.page(StatusCode::OK, &view)
}

fn not_me(frame: &Frame) -> Page {
    let view = ConfirmAct {
        shell: frame.shell(text::NOT_ME),
        action: frame.url("not-me"),
        hidden: hidden(),
        lines: vec![
            "\u{201c}Phone\u{201d} was added to your account.".into(),
            Timed::new(NOW, text::happened_at).into(),
            text::NOT_ME_TEXT.into(),
        ],
        button: text::STOP_SIGN_INS,
        danger: true,
        back: Some(Link::new(frame.url("my-mfa"), text::IT_WAS_ME)),
    };
    frame.page(StatusCode::OK, &view)
}

fn rename(frame: &Frame) -> Page {
    let view = Rename {
        shell: frame.shell(text::rename_title("Phone")).of(Some(NAME)).failed(true),
        action: frame.url("my-mfa/rename/phone"),
        hidden: hidden(),
        value: String::new(),
        problem: Some(Problem::new("name", text::NAME_EMPTY)),
    };
    frame.page(StatusCode::OK, &view)
}

fn invitation_needed(frame: &Frame) -> Page {
    let view = Notice {
        shell: frame.shell(text::INVITATION_NEEDED).of(Some(NAME)),
        lines: vec![text::INVITATION_NEEDED_WHY.into(), text::INVITATION_HOW.into()],
        links: Vec::new(),
    };
    frame.page(StatusCode::FORBIDDEN, &view)
}

fn confirmed(frame: &Frame, codes_left: Option<u32>) -> Page {
    let view = Confirmed {
        shell: frame.shell(text::CONFIRMED).of(Some(NAME)),
        next: "https://payroll.example.com/\"><script>".to_owned(),
        app: "Payroll".to_owned(),
        codes_left,
    };
    frame.page(StatusCode::OK, &view)
}

/// Every page, by a name for its file.
pub fn every_page(frame: &Frame) -> Vec<(&'static str, Page)> {
    let mut pages = pages_of_the_portal(frame);
    pages.extend(factors::pages(frame));
    pages.extend(passkeys::pages(frame));
    pages.extend(messages::pages(frame));
    pages.extend(people::pages(frame));
    pages.extend(refusals::pages(frame));
    pages
}

fn pages_of_the_portal(frame: &Frame) -> Vec<(&'static str, Page)> {
    let wrong = |field, message: &str| Some(Problem::new(field, message));
    let clock = Problem {
        more: vec![
            text::attempts_left(2),
            text::wrong_advice(FactorKind::Totp).unwrap().to_owned(),
        ],
        ..Problem::new("code", text::wrong(FactorKind::Totp))
    };
    let mut ahead = Problem::new("code", text::wrong(FactorKind::Hotp));
    ahead.more.push(text::wrong_advice(FactorKind::Hotp).unwrap().to_owned());
    let typed = Prompt::OneTimePassword;
    let fob = || token(FactorKind::Hotp, "Key fob A-17", None);
    let phone = || Way { hint: Some("Example".to_owned()), ..way(FactorKind::Totp, "Phone") };
    vec![
        ("sign-in", sign_in(frame, None)),
        ("sign-in-failed", sign_in(frame, wrong("username", text::SIGN_IN_FAILED))),
        ("forgotten", forgotten(frame)),
        ("new-password", new_password(frame, false, None)),
        (
            "new-password-refused",
            new_password(frame, false, wrong("password", &text::bad_password(BadPassword::Known))),
        ),
        ("change-password", new_password(frame, true, None)),
        (
            "change-password-wrong",
            new_password(frame, true, wrong("current", text::PASSWORD_WRONG_NOW)),
        ),
        ("busy", pages::busy(frame, REFERENCE)),
        ("sign-in-providers", sign_in_at(frame, false)),
        ("sign-in-or-provider", sign_in_at(frame, true)),
        ("app-sign-in", app_sign_in(frame, None)),
        ("app-sign-in-refused", app_sign_in(frame, wrong("username", text::APP_SIGN_IN_REFUSED))),
        ("challenge", challenge(frame, phone(), None, "")),
        ("challenge-wrong", challenge(frame, phone(), Some(clock), "01234")),
        ("challenge-recovery", challenge(frame, way(FactorKind::RecoveryCode, "Codes"), None, "")),
        ("challenge-fob", challenge(frame, fob(), None, "")),
        ("challenge-fob-ahead", challenge(frame, fob(), Some(ahead), "")),
        (
            "challenge-yubikey",
            challenge(frame, token(FactorKind::Yubikey, "YubiKey", None), None, ""),
        ),
        (
            "challenge-company",
            challenge(frame, token(FactorKind::Radius, "Company code", None), None, ""),
        ),
        (
            "challenge-company-asks",
            challenge(frame, token(FactorKind::Radius, "Company code", Some("Now the PIN")), None, ""),
        ),
        ("enrol-yubikey", enrol(frame, FactorKind::Yubikey, Setup::OneTimePassword, typed.clone())),
        ("enrol-company", enrol(frame, FactorKind::Radius, Setup::OneTimePassword, typed)),
        ("ways", ways(frame)),
        ("confirmed", confirmed(frame, None)),
        ("confirmed-few-codes", confirmed(frame, Some(2))),
        ("enrol", choose(frame)),
        ("totp", totp(frame, None)),
        ("totp-wrong", totp(frame, wrong("code", text::wrong(FactorKind::Totp)))),
        ("recovery-codes", recovery_codes(frame, None)),
        ("recovery-codes-unsaved", recovery_codes(frame, wrong("saved", text::SAVED_MISSING))),
        ("invitation-needed", invitation_needed(frame)),
        ("my-mfa", my_mfa(frame)),
        ("remove", remove(frame)),
        ("rename", rename(frame)),
        ("not-me", not_me(frame)),
    ]
}

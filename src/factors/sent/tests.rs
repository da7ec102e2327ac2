//! What each kind asks for and where its codes go, as one table; and what counts when.

use std::net::{IpAddr, Ipv4Addr};

use secrecy::SecretSlice;

use super::super::testing::enrolling;
use super::*;
use crate::ambient::UnixTime;

fn telephone() -> settings::Telephone {
    settings::Telephone {
        countries: vec!["GB".to_owned(), "DE".to_owned()],
        ..settings::Telephone::default()
    }
}

fn mail(own_address: bool) -> Sent {
    Sent::email(&settings::Email { own_address, ..settings::Email::default() })
}

fn begin(
    factor: &Sent,
    email: Option<&str>,
    details: &[(&str, &str)],
) -> Result<(Material, Setup), EnrolError> {
    let details: BTreeMap<String, String> = details
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    factor.begin(&Enrolling { email, details: &details, ..enrolling("alice") })
}

/// Where it leads and what it is called; or the field and why not.
fn begun(factor: &Sent, email: Option<&str>, details: &[(&str, &str)]) -> Result<(String, String), String> {
    match begin(factor, email, details) {
        Ok((material, Setup::Sent { to })) => {
            assert_eq!(material.about.hint.as_deref(), Some(to.as_str()));
            let secret = String::from_utf8(material.secret.expose_secret().to_vec()).unwrap();
            Ok((secret, factor.default_name(&material)))
        }
        Ok(_) => panic!("nothing is sent"),
        Err(EnrolError::Detail { field, why }) => Err(format!("{field} {why:?}")),
        Err(other) => panic!("{other}"),
    }
}

fn sms() -> Sent {
    Sent::sms(&telephone())
}

fn start(factor: &Sent, material: &Material, before: Option<&SecretSlice<u8>>, now: i64) -> Started {
    let starting = Starting {
        material,
        others: &[],
        before,
        choice: "",
        account: "alice",
        app: "Payroll",
        return_url: "",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: UnixTime(now),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(factor.start(starting)).unwrap()
}

fn right(
    factor: &Sent,
    material: &Material,
    begun: Option<&SecretSlice<u8>>,
    code: &str,
    now: i64,
) -> Option<i64> {
    let answer = factor.normal_form(&Answer::Code(code.to_owned())).unwrap();
    match factor.check(&Question { material, begun, now: UnixTime(now) }, &answer) {
        Verdict::Right(right) => Some(right.state),
        _ => None,
    }
}

fn code_of(started: &Started) -> String {
    started.send.as_ref().unwrap().code.expose_secret().to_owned()
}

#[test]
fn where_codes_go_is_said_once_and_shown_in_part() {
    let good = |to: &str, name: &str| Ok((to.to_owned(), name.to_owned()));
    let bad = |text: &str| Err(text.to_owned());
    let alice = Some("alice@example.com");
    let call = Sent::voice(&telephone(), false);
    for (factor, email, details, expected) in [
        (
            sms(),
            None,
            &[("number", "07400 123456"), ("country", "GB")][..],
            good("+447400123456", "Text message, ending 56"),
        ),
        (
            sms(),
            None,
            &[("number", "+44 7400 123456")],
            good("+447400123456", "Text message, ending 56"),
        ),
        (sms(), alice, &[("country", "GB")], bad("number Missing")),
        (sms(), None, &[("number", "call me"), ("country", "GB")], bad("number NotANumber")),
        (sms(), None, &[("number", "07700 900123"), ("country", "GB")], bad("number Unassigned")),
        (
            sms(),
            None,
            &[("number", "056 1234 5678"), ("country", "GB")],
            bad("number InternetTelephony"),
        ),
        (sms(), None, &[("number", "+33612345678")], bad("number CountryNotAllowed")),
        (sms(), None, &[("number", "0909 8790123"), ("country", "GB")], bad("number Premium")),
        (sms(), None, &[("number", "020 7946 0958"), ("country", "GB")], bad("number NotMobile")),
        (
            call,
            None,
            &[("number", "020 7946 0958"), ("country", "GB")],
            good("+442079460958", "Phone call, ending 58"),
        ),
        (mail(false), alice, &[], good("alice@example.com", "E-mail a…@example.com")),
        // Not editable: what else is said counts for nothing.
        (
            mail(false),
            alice,
            &[("address", "mallory@example.org")],
            good("alice@example.com", "E-mail a…@example.com"),
        ),
        (mail(false), None, &[("address", "mallory@example.org")], bad("address NotYours")),
        (
            mail(true),
            alice,
            &[("address", " private@Example.ORG ")],
            good("private@example.org", "E-mail p…@example.org"),
        ),
        (mail(true), alice, &[], good("alice@example.com", "E-mail a…@example.com")),
        (mail(true), None, &[("address", " ")], bad("address Missing")),
        (mail(true), None, &[("address", "a@b@c")], bad("address NotAnAddress")),
        (
            mail(true),
            None,
            &[("address", "a@example.com\r\nBcc: all@example.com")],
            bad("address NotAnAddress"),
        ),
    ] {
        assert_eq!(begun(&factor, email, details), expected, "{details:?}");
    }
}

#[test]
fn codes_go_where_they_were_enrolled_for() {
    let reached = |factor: &Sent, details: &[(&str, &str)]| {
        let (material, _) = begin(factor, Some("alice@example.com"), details).unwrap();
        factor.sends_to(&material)
    };
    let number = [("number", "+447400123456")];
    assert_eq!(reached(&sms(), &number), Some((Channel::Sms, "+447400123456".to_owned())));
    assert_eq!(reached(&mail(false), &[]), Some((Channel::Email, "alice@example.com".to_owned())));
    let called = reached(&Sent::voice(&telephone(), false), &number);
    assert_eq!(called, Some((Channel::Voice, "+447400123456".to_owned())));
}

#[test]
fn what_must_be_said_first() {
    assert_eq!(sms().details(), [Detail::Number]);
    assert_eq!(Sent::voice(&telephone(), false).details(), [Detail::Number]);
    assert_eq!(Sent::voice(&telephone(), true).details(), [Detail::NumberWithExtension]);
    assert_eq!((mail(true).details(), mail(false).details()), (&[Detail::Address][..], &[][..]));
    let six = Sent::sms(&settings::Telephone { digits: 6, ..telephone() });
    assert_eq!((six.prompt(), sms().prompt()), (Prompt::Code { digits: 6 }, Prompt::Code { digits: 8 }));
}

#[test]
fn e20_a_code_is_in_what_is_sent_and_nowhere_else() {
    let factor = sms();
    let (material, _) = begin(&factor, None, &[("number", "+447400123456")]).unwrap();
    let started = start(&factor, &material, None, 1000);
    let code = code_of(&started);
    let sent = started.send.as_ref().unwrap();
    assert_eq!((sent.channel, sent.to.as_str(), sent.lives), (Channel::Sms, "+447400123456", 300));
    assert_eq!(started.shows, Shows::Sent { to: "ending 56".to_owned(), doubtful: false });
    let payload = started.payload.expose_secret();
    assert!(!payload.windows(code.len()).any(|window| window == code.as_bytes()));
    let shown = serde_json::to_string(&started.shows).unwrap();
    assert!(!shown.contains(&code) && !shown.contains("7400123456"), "{shown}");
}

#[test]
fn the_last_two_count_for_five_minutes_and_for_their_question_alone() {
    let factor = sms();
    let (material, _) = begin(&factor, None, &[("number", "+447400123456")]).unwrap();
    let first = start(&factor, &material, None, 1000);
    let second = start(&factor, &material, Some(&first.payload), 1060);
    let third = start(&factor, &material, Some(&second.payload), 1120);
    let elsewhere = start(&factor, &material, None, 1120);
    let codes = [&first, &second, &third, &elsewhere].map(code_of);
    let counting = |now| {
        let right = |code: &String| right(&factor, &material, Some(&third.payload), code, now);
        codes.each_ref().map(right)
    };
    assert_eq!(counting(1121), [None, Some(1), Some(1), None]);
    assert_eq!(counting(1359), [None, Some(1), Some(1), None]);
    assert_eq!(counting(1360), [None, None, Some(1), None]);
    assert_eq!(counting(1420), [None; 4]);
    assert_eq!(right(&factor, &material, None, &codes[2], 1121), None, "nothing was sent for this one");
}

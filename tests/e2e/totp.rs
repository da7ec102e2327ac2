//! Authenticator apps (security.md 1.5): one step counts once, however it is spelled and wherever it is sent.

use serde_json::json;

use crate::support::{Browser, Gate, Upstream};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ));
    (upstream, gate)
}

fn served(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.url("localhost", "/x"), None).status == 200
}

#[test]
fn e01_a_code_that_was_accepted_is_not_accepted_again() {
    let (_upstream, gate) = scene();
    let (mut first, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut first, &mut authenticator);
    assert!(served(&gate, &mut first));
    let used = authenticator.last();
    let mut second = gate.signed_in("anna");
    let challenge = gate.challenge(&mut second);
    let reply = gate.answer(&mut second, &challenge, "totp", &used);
    assert!((400..500).contains(&reply.status), "{} {}", reply.status, reply.text());
    assert!(!served(&gate, &mut second), "a used code opens nothing");
    let reply = gate.answer(&mut second, &challenge, "totp", &authenticator.code());
    assert!(reply.status < 300, "a larger step is right: {}", reply.text());
    assert!(served(&gate, &mut second));
}

#[test]
fn e01_an_earlier_step_is_dead_once_a_later_one_was_used() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let skipped = authenticator.code();
    gate.step_up(&mut anna, &mut authenticator);
    let mut second = gate.signed_in("anna");
    let challenge = gate.challenge(&mut second);
    let reply = gate.answer(&mut second, &challenge, "totp", &skipped);
    assert!((400..500).contains(&reply.status), "{} {}", reply.status, reply.text());
    assert!(!served(&gate, &mut second));
}

#[test]
fn e03_every_spelling_of_a_used_code_is_used() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let code = authenticator.code();
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    let challenge = gate.challenge(&mut anna);
    let reply = gate.answer(&mut anna, &challenge, "totp", &spaced);
    assert!(reply.status < 300, "spaces do not matter: {} {}", reply.status, reply.text());
    let arabic: String = code
        .chars()
        .map(|c| char::from_u32(0x660 + c.to_digit(10).unwrap()).unwrap())
        .collect();
    let wide: String = code
        .chars()
        .map(|c| char::from_u32(0xff10 + c.to_digit(10).unwrap()).unwrap())
        .collect();
    let mut second = gate.signed_in("anna");
    for spelling in [
        code.clone(),
        format!("{}-{}", &code[..3], &code[3..]),
        arabic,
        wide,
    ] {
        let challenge = gate.challenge(&mut second);
        let reply = gate.answer(&mut second, &challenge, "totp", &spelling);
        assert!((400..500).contains(&reply.status), "{spelling}: {}", reply.status);
        assert!(!served(&gate, &mut second), "{spelling}");
    }
}

#[test]
fn what_is_not_a_code_is_told_so_and_not_counted() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let challenge = gate.challenge(&mut anna);
    for wrong in [
        "",
        "12345",
        "1234567",
        "12345a",
        "١٢٣",
        "      ",
        "1234567890123456789012345678901234567890",
    ] {
        for _ in 0..3 {
            let reply = gate.answer(&mut anna, &challenge, "totp", wrong);
            assert!(matches!(reply.status, 400 | 422), "{wrong:?}: {} {}", reply.status, reply.text());
        }
    }
    let reply = gate.answer(&mut anna, &challenge, "totp", &authenticator.code());
    assert!(reply.status < 300, "21 malformed answers lock nobody: {}", reply.text());
}

#[test]
fn a_step_to_either_side_counts_and_no_further() {
    let (_upstream, gate) = scene();
    let (mut anna, authenticator) = gate.enrolled("anna");
    let challenge = gate.challenge(&mut anna);
    for steps in [-3_i64, -2, 3, 4] {
        let now = i64::try_from(crate::support::unix_now()).unwrap();
        let at = format!("--now=@{}", now + steps * 30);
        let code = crate::support::run(std::process::Command::new("oathtool").args([
            "--totp",
            "--base32",
            &at,
            authenticator.secret(),
        ]));
        let reply = gate.answer(&mut anna, &challenge, "totp", code.stdout.trim());
        assert!((400..500).contains(&reply.status), "{steps} steps away: {}", reply.status);
    }
}

#[test]
fn e10_e11_half_a_sign_in_opens_nothing_and_a_challenge_is_its_owner_s() {
    let (_upstream, gate) = scene();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    assert!(!served(&gate, &mut anna.clone()) || anna.cookie("localhost", "stepgate").is_some());
    let mut fresh = gate.signed_in("anna");
    assert!(!served(&gate, &mut fresh), "the first factor alone");
    assert_eq!(fresh.cookie("localhost", "stepgate"), None, "a claim exists only with a proof");
    let challenge = gate.challenge(&mut anna);
    let mut ben = gate.signed_in("ben");
    let reply = gate.answer(&mut ben, &challenge, "totp", &authenticator.code());
    assert_eq!(reply.status, 404, "E12, E15: another person's challenge is not there: {}", reply.text());
    let mut nobody = gate.browser();
    let reply = gate.answer(&mut nobody, &challenge, "totp", &authenticator.code());
    assert!(matches!(reply.status, 401 | 404), "{}", reply.status);
}

#[test]
fn e13_nothing_but_a_proof_yields_a_claim() {
    let (_upstream, gate) = scene();
    let mut ben = gate.signed_in("ben");
    let opened = ben.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
    if opened.status < 300 {
        let challenge = opened.json();
        for body in [
            json!({}),
            json!({ "factor": "totp" }),
            json!({ "factor": "totp", "code": null }),
            json!({ "factor": "", "code": "" }),
            json!({ "factor": "signed_in", "code": "1" }),
            json!({ "factor": "totp", "code": "000000" }),
            json!({ "factor": "recovery_code", "code": "" }),
            json!({ "factor": ["totp"], "code": ["1"] }),
            json!([]),
        ] {
            let id = challenge["id"].as_str().unwrap();
            let reply =
                ben.fetch("POST", &gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body));
            assert!((400..500).contains(&reply.status), "{body}: {} {}", reply.status, reply.text());
        }
    }
    assert_eq!(ben.cookie("localhost", "stepgate"), None);
    assert!(!served(&gate, &mut ben));
}

#[test]
fn e23_looking_at_pages_uses_nothing_up() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let page = browser.go(&gate.url("localhost", "/x")).expect(200);
    let url = browser.url.clone();
    for _ in 0..5 {
        browser.visit(&url).expect(200);
        browser.send(crate::support::Ask { method: "HEAD", url: &url, headers: vec![], body: vec![] });
    }
    let form = crate::support::Form::code(&page.text())
        .unwrap()
        .fill("code", &authenticator.code());
    let reply = browser.submit(&form);
    assert_eq!(browser.settle(reply).text(), "upstream");
}

#[test]
fn a_person_may_have_several_apps_and_choose() {
    let (_upstream, gate) = scene();
    let (mut anna, mut first) = gate.enrolled("anna");
    let mut second = gate.enrol(&mut anna);
    for authenticator in [&mut second, &mut first] {
        let mut browser = gate.signed_in("anna");
        let challenge = gate.challenge(&mut browser);
        let ways = challenge["ways"].as_array().unwrap();
        assert_eq!(ways.iter().filter(|w| w["factor"] == "totp").count(), 2, "{challenge}");
        let code = authenticator.code();
        let id = challenge["id"].as_str().unwrap();
        let accepted = ways.iter().any(|way| {
            let body = json!({ "factor": "totp", "enrolment": way["enrolment"], "code": code });
            browser
                .fetch("POST", &gate.portal(&format!("api/v1/challenges/{id}/answer")), Some(&body))
                .status
                < 300
        });
        assert!(accepted, "one of the two enrolments takes the code");
        assert!(served(&gate, &mut browser));
    }
}

#[test]
fn a_code_in_a_header_is_for_that_request_alone() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let anna = gate.signed_in("anna");
    let cookie = anna.cookie_header("localhost").unwrap();
    let ask = |code: &str, more: &str| {
        gate.raw()
            .send(format!("GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nStepgate-Code: totp:{code}\r\n{more}Connection: close\r\n\r\n"))
            .reply()
    };
    let code = authenticator.code();
    let reply = ask(&code, "").expect(200);
    assert_eq!(reply.header("set-cookie"), None, "it never makes a claim");
    assert_eq!(
        upstream.last().twins("stepgate-code"),
        Vec::<String>::new(),
        "and never reaches the upstream"
    );
    ask(&code, "").expect(401);
    let code = authenticator.code();
    for browser in ["Sec-Fetch-Mode: cors\r\n", "Origin: http://localhost\r\n"] {
        let reply = ask(&code, browser);
        assert_ne!(reply.status, 200, "{browser}: browsers have the pages");
    }
}

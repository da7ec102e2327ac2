//! The first enrolment is protected: by invitation, from named networks, or open; grace by configuration.

use serde_json::json;

use crate::support::{Authenticator, Browser, Form, Gate, Reply, Setup, Upstream, text_of};

fn setup(upstream: &Upstream, enrolment: &str) -> Setup {
    Setup::new(&format!(
        "
  - name: app
    host: localhost
    upstream: \"{}\"
    require: standard
    rules: [{{ path: /once, require: critical }}, {{ path: /me, require: signed-in }}]
",
        upstream.url()
    ))
    .section("conditions", "{ office: { network: [127.7.0.0/16] } }")
    .section("enrolment", enrolment)
    .user("anna", &[])
    .user("ben", &[])
}

fn begin(gate: &Gate, browser: &mut Browser) -> Reply {
    browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "totp" })))
}

fn served(gate: &Gate, browser: &mut Browser, path: &str) -> bool {
    browser.fetch("GET", &gate.url("localhost", path), None).status == 200
}

fn invite(gate: &Gate, user: &str) -> String {
    let printed = gate.setup.command(&["users", "invite", user], "").expect(0).stdout;
    printed
        .split_whitespace()
        .find(|word| word.starts_with("http"))
        .unwrap_or_else(|| panic!("no address in {printed}"))
        .to_owned()
}

#[test]
fn without_an_invitation_nobody_enrols_a_first_factor() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: invitation }").start();
    let mut anna = gate.signed_in("anna");
    let reply = begin(&gate, &mut anna);
    assert_eq!(reply.status, 403, "{}", reply.text());
    let page = anna.go(&gate.url("localhost", "/x"));
    assert!(Form::code(&page.text()).is_none());
    assert!(
        !page.text().contains("<svg role=\"img\"") || !page.text().contains("otpauth:"),
        "{}",
        text_of(&page.text())
    );
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_invitation_counts_once_for_whom_it_was_made() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: invitation }").start();
    let url = invite(&gate, "anna");
    assert!(url.starts_with(&gate.portal("")), "{url}");

    let mut ben = gate.signed_in("ben");
    ben.go(&url);
    assert_eq!(begin(&gate, &mut ben).status, 403, "an invitation for somebody else");
    let mut nobody = gate.browser();
    let page = nobody.go(&url);
    assert!(Form::sign_in(&page.text()).is_some(), "it asks who is there: {}", text_of(&page.text()));

    // The same browser signs in now, and the invitation is still there.
    let form = Form::sign_in(&page.text()).unwrap();
    let reply = nobody.submit(&form.fill("username", "anna").fill("password", &Setup::password("anna")));
    let page = nobody.settle(reply);
    assert_eq!(page.status, 200, "{}", text_of(&page.text()));
    let mut authenticator = enrol_by_pages(&gate, &mut nobody, page);
    assert!(served(&gate, &mut nobody, "/x"), "the confirmation is a proof");

    gate.setup.command(&["users", "reset", "anna"], "").expect(0);
    let mut again = gate.signed_in("anna");
    again.go(&url);
    assert_eq!(begin(&gate, &mut again).status, 403, "a used invitation, and reset reopens nothing");
    let challenge = again.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
    if challenge.status < 300 {
        assert!(gate.answer(&mut again, &challenge.json(), "totp", &authenticator.code()).status >= 400);
    }
    assert!(!served(&gate, &mut again, "/x"));
}

/// From a page where an authenticator app can be set up to the page after its confirmation.
#[track_caller]
fn enrol_by_pages(gate: &Gate, browser: &mut Browser, mut page: Reply) -> Authenticator {
    for _ in 0..4 {
        if page.text().contains("otpauth://") {
            break;
        }
        // A choice of ways, a landing page or a button: onwards to the authenticator app.
        let forms: Vec<Form> = Form::all(&page.text())
            .into_iter()
            .filter(|form| form.method == "post")
            .collect();
        let app = forms.iter().position(|form| form.value("factor") == Some("totp"));
        let onwards = |form: &Form| form.action.contains("enrol") || form.action.contains("invitation");
        let form = app
            .or_else(|| forms.iter().position(onwards))
            .and_then(|at| forms.into_iter().nth(at));
        let reply = match form {
            Some(form) => {
                let button = form
                    .fields
                    .iter()
                    .find(|f| f.name == "factor" && f.kind == "submit")
                    .map(|f| f.name.clone());
                browser.submit_by(&form, button.as_deref())
            }
            None => browser.visit(&gate.portal("enrol")),
        };
        page = browser.settle(reply);
    }
    let text = page.text();
    let secret = text
        .split("secret=")
        .nth(1)
        .unwrap_or_else(|| panic!("no secret on the page {}: {}", browser.url, text_of(&text)));
    let secret: String = secret.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut authenticator = Authenticator::new(&secret);
    let form = Form::code(&text).expect("a form for the first code");
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let page = browser.settle(reply);
    assert!(page.status < 400, "{}", text_of(&page.text()));
    authenticator
}

#[test]
fn open_enrolment_leads_from_the_app_through_the_pages_and_back() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: open }").start();
    let mut browser = gate.browser();
    let page =
        browser.go_through(&gate.url("localhost", "/report?q=1"), "anna", &Setup::password("anna"), None);
    enrol_by_pages(&gate, &mut browser, page);
    let page = browser.go(&gate.url("localhost", "/report?q=1"));
    assert_eq!(page.text(), "upstream");
    let secret_again = browser.fetch("GET", &gate.portal("enrol"), None).text();
    assert!(!secret_again.contains("secret=") || !served(&gate, &mut gate.browser(), "/x"));
}

#[test]
fn a_named_network_lets_the_first_factor_be_enrolled_and_no_other_does() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: { allow_when: office, otherwise: invitation } }").start();
    let mut outside = gate.signed_in("anna");
    outside.extra = vec![("X-Forwarded-For".into(), "127.7.0.1".into())];
    assert_eq!(begin(&gate, &mut outside).status, 403);
    let mut inside = gate.signed_in("anna");
    inside.from = Some([127, 7, 0, 1].into());
    gate.enrol(&mut inside);
    assert!(served(&gate, &mut inside, "/x"));
}

#[test]
fn grace_lets_those_without_a_factor_in_for_a_while_and_is_written_down() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: open, grace_period: 3s }").start();
    let mut anna = gate.signed_in("anna");
    assert!(served(&gate, &mut anna, "/x"), "in grace");
    assert!(!served(&gate, &mut anna, "/once"), "never for what is asked every time");
    let records = gate.sql("SELECT json FROM audit");
    assert!(records.contains("grace"), "{records}");
    crate::support::wait_until("the end of grace", || (!served(&gate, &mut anna, "/x")).then_some(()));
    let mut second = gate.signed_in("anna");
    assert!(
        !served(&gate, &mut second, "/x"),
        "counted from the first time she was seen, not per session"
    );

    let mut ben = gate.signed_in("ben");
    assert!(served(&gate, &mut ben, "/x"));
    gate.enrol(&mut ben);
    let mut ben = gate.signed_in("ben");
    crate::support::wait_until("grace to end with the first factor", || {
        (!served(&gate, &mut ben, "/x")).then_some(())
    });
}

#[test]
fn e14_changing_factors_needs_a_fresh_proof() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: open }").start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    let list = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).expect(200).json();
    let items = list
        .as_array()
        .or_else(|| list["enrolments"].as_array())
        .unwrap_or_else(|| panic!("{list}"))
        .clone();
    let id = items[0]["id"].as_str().unwrap().to_owned();

    let mut thief = gate.signed_in("anna");
    for (method, path, body) in [
        ("POST", "api/v1/enrolments".to_owned(), Some(json!({ "factor": "totp" }))),
        ("POST", "api/v1/enrolments".to_owned(), Some(json!({ "factor": "recovery_code" }))),
        ("DELETE", format!("api/v1/enrolments/{id}"), None),
    ] {
        let reply = thief.fetch(method, &gate.portal(&path), body.as_ref());
        assert!(matches!(reply.status, 401 | 403), "{method} {path}: {} {}", reply.status, reply.text());
    }
    assert!(!served(&gate, &mut thief, "/x"));

    let (mut ben, _) = gate.enrolled("ben");
    let reply = ben.fetch("DELETE", &gate.portal(&format!("api/v1/enrolments/{id}")), None);
    assert_eq!(reply.status, 404, "E15: another person's enrolment is not there: {}", reply.text());

    gate.step_up(&mut anna, &mut authenticator);
    let reply = anna.fetch("DELETE", &gate.portal(&format!("api/v1/enrolments/{id}")), None);
    assert!(reply.status < 300, "{} {}", reply.status, reply.text());
    crate::support::wait_until("the removed factor's proof to end", || {
        (!served(&gate, &mut anna, "/x")).then_some(())
    });
}

#[test]
fn an_enrolment_is_confirmed_by_a_right_code_only() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "{ first_factor: open }").start();
    let mut anna = gate.signed_in("anna");
    let begun = begin(&gate, &mut anna).json();
    let id = begun["id"].as_str().unwrap();
    let mut authenticator = Authenticator::new(begun["setup"]["key"].as_str().unwrap());
    let confirm = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let wrong =
        anna.fetch("POST", &confirm, Some(&json!({ "code": authenticator.wrong(3), "name": "Phone" })));
    assert!((400..500).contains(&wrong.status), "{}", wrong.status);
    assert!(!served(&gate, &mut anna, "/x"));
    let mut ben = gate.signed_in("ben");
    let stolen = ben.fetch("POST", &confirm, Some(&json!({ "code": authenticator.code(), "name": "Phone" })));
    assert_eq!(stolen.status, 404, "{}", stolen.text());
    let right = anna.fetch("POST", &confirm, Some(&json!({ "code": authenticator.code(), "name": "Phone" })));
    assert!(right.status < 300, "{} {}", right.status, right.text());
    assert!(served(&gate, &mut anna, "/x"));
    let twice = anna.fetch("POST", &confirm, Some(&json!({ "code": authenticator.last(), "name": "Phone" })));
    let list = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).expect(200).text();
    assert_eq!(list.matches("\"Phone\"").count(), 1, "confirmed twice: {} {list}", twice.status);
}

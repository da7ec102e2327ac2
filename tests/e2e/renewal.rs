//! Tokens of sessions are new at every step (security.md F01), activity is what people do, and people see
//! and end their own sessions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Ask, Browser, Form, Gate, Inbox, Setup, Upstream, poll, text_of, wait_until};

const PORTAL: &str = "localhost";
const WIKI: &str = "wiki.localhost";

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(
        &"
  - { name: wiki, host: wiki.localhost, upstream: $UPSTREAM, require: standard, rules: [{ path: /known/**, require: signed-in }] }
  - { name: pay, host: pay.localhost, upstream: $UPSTREAM, require: standard }
"
        .replace("$UPSTREAM", &upstream.url()),
    )
    .user("anna", &["--email", "anna@example.com"])
    .user("ben", &[])
}

fn id(browser: &Browser, host: &str) -> String {
    browser.cookie(host, "stepgate-id").expect("an identity cookie").to_owned()
}

/// Who this identity cookie says it is, alone.
fn subject(gate: &Gate, token: &str) -> Value {
    let mut browser = gate.browser();
    browser.extra = vec![("Cookie".to_owned(), format!("stepgate-id={token}"))];
    browser.fetch("GET", &gate.portal("api/v1/session"), None).expect(200).json()["subject"].clone()
}

#[track_caller]
fn dies(gate: &Gate, token: &str, what: &str) {
    wait_until(what, || subject(gate, token).is_null().then_some(()));
}

fn sessions(gate: &Gate, browser: &mut Browser) -> Vec<Value> {
    let reply = browser.fetch("GET", &gate.portal("api/v1/sessions"), None).expect(200);
    reply.json()["sessions"].as_array().expect("a list").clone()
}

#[test]
fn f01_each_step_gives_the_portal_a_new_token_and_the_old_one_dies() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut browser = gate.signed_in("anna");
    let first = id(&browser, PORTAL);
    let mut tab = browser.clone();
    let mut authenticator = gate.enrol(&mut browser);
    let second = id(&browser, PORTAL);
    assert_ne!(first, second, "a new factor");
    // What was under way in another tab is not thrown out, and gets no proof by it.
    let said = tab.fetch("GET", &gate.portal("api/v1/session"), None).expect(200).json();
    assert_eq!((&said["subject"], &said["proofs"]), (&json!("local:anna"), &json!([])));
    gate.step_up(&mut browser, &mut authenticator);
    let third = id(&browser, PORTAL);
    assert_ne!(second, third, "a proof");
    let enrolment = gate.sql("SELECT id FROM enrolments WHERE factor = 'totp'").trim().to_owned();
    let url = gate.portal(&format!("api/v1/enrolments/{enrolment}"));
    browser.fetch("DELETE", &url, None).expect(204);
    let fourth = id(&browser, PORTAL);
    assert_ne!(third, fourth, "a removal");
    for old in [&first, &second, &third] {
        dies(&gate, old, "the end of a replaced token");
    }
    assert_eq!(subject(&gate, &fourth), "local:anna");
    assert_eq!(sessions(&gate, &mut browser).len(), 1, "one session all the time");
}

#[test]
fn f01_a_hand_off_replaces_what_the_site_had() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    let page = gate.url(WIKI, "/known/x");
    browser.go_through(&page, "anna", &Setup::password("anna"), None);
    let before = id(&browser, WIKI);
    let planted = browser.clone();
    // From an identity alone to one with a proof: the same session, another token.
    browser.go_through(&gate.url(WIKI, "/x"), "anna", &Setup::password("anna"), Some(&mut authenticator));
    assert_eq!(browser.fetch("GET", &gate.url(WIKI, "/x"), None).status, 200);
    assert_ne!(before, id(&browser, WIKI));
    let mut thief = planted;
    assert_eq!(thief.fetch("GET", &gate.url(WIKI, "/x"), None).status, 401, "never with the proof");
    wait_until("the end of the planted token", || {
        (thief.fetch("GET", &page, None).status == 401).then_some(())
    });
    assert_eq!(browser.fetch("GET", &gate.url(WIKI, "/x"), None).status, 200);
}

#[test]
fn f01_a_sign_in_ends_the_session_that_it_replaces() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut browser = gate.signed_in("anna");
    let annas = id(&browser, PORTAL);
    let body = json!({ "username": "ben", "password": Setup::password("ben") });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body)).expect(200);
    assert_eq!(subject(&gate, &id(&browser, PORTAL)), "local:ben");
    dies(&gate, &annas, "the end of the session before");
    let ended = gate.audit("session.ended");
    assert!(
        ended
            .iter()
            .any(|one| one["result"] == "replaced" && one["who"] == "local:anna"),
        "{ended:?}"
    );
}

#[test]
fn a_form_in_another_tab_stays_good_when_the_token_is_renewed() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let page = browser.go(&gate.portal("my-mfa/sign-out-everywhere"));
    let form = Form::all(&page.text()).into_iter().next().expect("a form");
    gate.step_up(&mut browser, &mut authenticator);
    browser.url = gate.portal("my-mfa/sign-out-everywhere");
    let done = browser.submit(&form);
    assert!(
        text_of(&done.text()).contains("All your sessions have ended"),
        "{}",
        text_of(&done.text())
    );
}

/// As a page's script asks for news.
fn polls(gate: &Gate, browser: &mut Browser) -> u16 {
    browser.fetch("GET", &gate.url(WIKI, "/news"), None).status
}

fn idle_gate(upstream: &Upstream, more: &str, route: &str) -> Gate {
    Setup::new(&format!(
        "
  - {{ name: wiki, host: wiki.localhost, upstream: \"{}\", require: signed-in{route} }}",
        upstream.url()
    ))
    .section("sessions", &format!("{{ idle_timeout: 3s{more} }}"))
    .user("anna", &[])
    .start()
}

fn enter(gate: &Gate) -> Browser {
    let mut browser = gate.browser();
    let page = browser.go_through(&gate.url(WIKI, "/start"), "anna", &Setup::password("anna"), None);
    assert_eq!(page.text(), "upstream");
    browser
}

/// Whether the session is still there after four seconds in which the browser did `act` all the time.
fn lasts(mut act: impl FnMut() -> u16) -> bool {
    let ended = poll(Duration::from_secs(5), || (act() != 200).then_some(()));
    ended.is_none()
}

#[test]
fn polling_keeps_no_session_alive_and_people_do() {
    let upstream = Upstream::start();
    let gate = idle_gate(&upstream, "", "");
    let mut browser = enter(&gate);
    assert!(lasts(|| browser.visit(&gate.url(WIKI, "/page")).status), "pages that are opened");
    assert!(
        lasts(|| browser.fetch("POST", &gate.url(WIKI, "/save"), Some(&json!({}))).status),
        "changes"
    );
    assert!(!lasts(|| polls(&gate, &mut browser)), "what a script reads");
    let ended = gate.audit("session.ended");
    assert!(ended.iter().any(|one| one["result"] == "idle"), "{ended:?}");
    // A program that says nothing about its requests has somebody behind each.
    let browser = enter(&gate);
    let program = || {
        let mut plain = browser.clone();
        plain
            .send(Ask { method: "GET", url: &gate.url(WIKI, "/x"), headers: Vec::new(), body: Vec::new() })
            .status
    };
    assert!(lasts(program));
}

#[test]
fn what_counts_as_activity_can_be_said_for_all_a_route_and_a_rule() {
    let upstream = Upstream::start();
    let gate = idle_gate(&upstream, ", activity: navigation", "");
    let mut browser = enter(&gate);
    assert!(!lasts(|| browser.fetch("POST", &gate.url(WIKI, "/save"), Some(&json!({}))).status));
    let rules = ", activity: any, rules: [{ path: /beat, require: signed-in, activity: false }]";
    let gate = idle_gate(&upstream, ", activity: navigation", rules);
    let mut browser = enter(&gate);
    assert!(lasts(|| polls(&gate, &mut browser)), "the route says that everything counts");
    assert!(
        !lasts(|| browser.visit(&gate.url(WIKI, "/beat")).status),
        "and the rule that this does not"
    );
}

#[test]
fn people_see_and_end_their_own_sessions() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut here = gate.signed_in("anna");
    let mut phone = gate.browser();
    phone.go_through(&gate.url(WIKI, "/known/x"), "anna", &Setup::password("anna"), None);
    let mut third = gate.signed_in("anna");
    let mut ben = gate.signed_in("ben");
    let list = sessions(&gate, &mut here);
    assert_eq!(list.len(), 3, "{list:?}");
    assert!(list[0]["current"] == true && list[1]["current"] == false && list[2]["current"] == false);
    let phones = list
        .iter()
        .find(|one| one["agent"] == "Firefox on Linux")
        .expect("the browser's name");
    assert_eq!((&phones["address"], &phones["source"]), (&json!("127.0.0.1"), &json!("local")));
    let url = gate.portal(&format!("api/v1/sessions/{}", phones["id"].as_str().unwrap()));
    ben.fetch("DELETE", &url, None).expect(404);
    assert_eq!(phone.fetch("GET", &gate.url(WIKI, "/known/x"), None).status, 200);
    here.fetch("DELETE", &url, None).expect(204);
    wait_until("the phone's end", || {
        (phone.fetch("GET", &gate.url(WIKI, "/known/x"), None).status == 401).then_some(())
    });
    // The page has the same, and ends all others by a click.
    let page = here.go(&gate.portal("my-mfa"));
    let text = text_of(&page.text());
    assert!(text.contains("Where you're signed in") && text.contains("This browser"), "{text}");
    let form = Form::all(&page.text())
        .into_iter()
        .find(|form| form.action.ends_with("end-others"));
    here.submit(&form.expect("a button for all others"));
    assert!(third.fetch("GET", &gate.portal("api/v1/session"), None).json()["subject"].is_null());
    assert_eq!(sessions(&gate, &mut here).len(), 1);
    assert_eq!(sessions(&gate, &mut ben).len(), 1, "nobody else's");
    // The operator sees and ends them, too.
    let shown = gate.setup.command(&["users", "sessions", "anna", "--json"], "").expect(0);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
    gate.setup.command(&["users", "sessions", "anna", "--end"], "").expect(0);
    wait_until("the end of all", || {
        here.fetch("GET", &gate.portal("api/v1/session"), None).json()["subject"]
            .is_null()
            .then_some(())
    });
}

#[test]
fn people_are_told_of_a_sign_in_from_a_new_browser_and_of_no_other() {
    let upstream = Upstream::start();
    let (inbox, port) = Inbox::mail();
    let mail = format!(
        "{{ mail: {{ type: smtp, host: 127.0.0.1, port: {port}, from: security@example.com, security: none }} }}"
    );
    let gate = setup(&upstream).section("senders", &mail).start();
    let told = || {
        inbox
            .all()
            .into_iter()
            .filter(|mail| mail.contains("a new sign-in"))
            .collect::<Vec<_>>()
    };
    let sign_in = |browser: &mut Browser| {
        let page = browser.go_through(&gate.url(WIKI, "/known/x"), "anna", &Setup::password("anna"), None);
        assert_eq!(page.text(), "upstream");
    };
    let mut first = gate.browser();
    sign_in(&mut first);
    first
        .fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    sign_in(&mut first);
    let mut other = gate.browser();
    sign_in(&mut other);
    wait_until("the notice", || (told().len() == 1).then_some(()));
    let mail = told().remove(0);
    assert!(mail.contains("Firefox on Linux") && mail.contains("127.0.0.1"), "{mail}");
    assert_eq!(told().len(), 1, "neither the first ever nor a known browser");
}

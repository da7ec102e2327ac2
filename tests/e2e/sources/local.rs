//! The table's column for the users of our own store.

use serde_json::json;

use crate::support::{Browser, Gate, Reply, Setup, Upstream, wait_until};

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: signed-in }}\n",
        upstream.url()
    );
    let gate = Setup::new(&routes).user("anna", &[]).user("ben", &[]).start();
    (upstream, gate)
}

fn sign_in(gate: &Gate, browser: &mut Browser, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body))
}

/// The answers to a name that nobody bears and to a wrong password are one.
pub fn unknown_person() {
    let (upstream, gate) = scene();
    let mut browser = gate.browser();
    let unknown = sign_in(&gate, &mut browser, "nobody", "a long enough password");
    let wrong = sign_in(&gate, &mut browser, "anna", "a long enough password");
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (401, wrong.json()["code"].clone()));
    browser.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
}

pub fn wrong_credential() {
    let (upstream, gate) = scene();
    let mut browser = gate.browser();
    for password in ["", "wrong", "a long enough password", &Setup::password("ben")] {
        let reply = sign_in(&gate, &mut browser, "anna", password);
        assert!((400..500).contains(&reply.status), "{password:?}: {}", reply.status);
    }
    browser.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
}

/// Whoever signs in over somebody else's session has nothing of theirs.
pub fn other_user_mid_session() {
    let (upstream, gate) = scene();
    let (mut browser, _) = gate.enrolled("anna");
    sign_in(&gate, &mut browser, "ben", &Setup::password("ben")).expect(200);
    let session = browser.fetch("GET", &gate.portal("api/v1/session"), None).json();
    assert!(session.to_string().contains("ben") && !session.to_string().contains("anna"), "{session}");
    assert_eq!(session["proofs"], json!([]), "{session}");
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["ben"]);
}

pub fn ten_tabs() {
    let (upstream, gate) = scene();
    let mut browser = gate.signed_in("anna");
    let ways: Vec<_> = (0..10)
        .map(|tab| {
            let reply = browser.visit(&gate.url("app.localhost", &format!("/tab/{tab}")));
            browser.next(&reply).expect("led to the portal")
        })
        .collect();
    for (tab, way) in ways.iter().enumerate() {
        browser.go(way).expect(200);
        assert_eq!(upstream.last().target(), format!("/tab/{tab}"));
    }
}

pub fn log_out_in_one_tab() {
    let (upstream, gate) = scene();
    let mut browser = gate.signed_in("anna");
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    let other_tab = browser.clone();
    browser
        .fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    let mut other_tab = other_tab;
    wait_until("the other tab is signed out", || {
        let reply = other_tab.fetch("GET", &gate.url("app.localhost", "/"), None);
        (reply.status == 401).then_some(())
    });
    upstream.take();
    other_tab.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
}

//! The table's column for a directory: Debian's slapd, and a fake that says what no directory says.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use crate::support::{Browser, Gate, Reply, Setup, Slapd, Upstream, wait_until};

fn scene_with(identity: &str, local: bool) -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: App, host: app.localhost, upstream: \"{}\", require: signed-in }}\n",
        upstream.url()
    );
    let mut setup = Setup::new(&routes).section("identity", identity);
    if local {
        setup = setup.user("lotte", &[]);
    }
    (upstream, setup.start())
}

fn scene() -> (Slapd, Upstream, Gate) {
    let slapd = Slapd::start();
    let (upstream, gate) = scene_with(&slapd.source(&[&slapd.ldaps()], ""), false);
    (slapd, upstream, gate)
}

fn sign_in(gate: &Gate, browser: &mut Browser, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body))
}

/// A directory that answers every connection with these bytes, again and again if asked to.
fn liar(answer: Vec<u8>, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut question = [0; 512];
                let _ = stream.read(&mut question);
                while stream.write_all(&answer).is_ok() && endless {}
                let _ = stream.read(&mut question);
            });
        }
    });
    format!(
        "\n  - {{ name: local, type: local }}\n  - {{ name: corp, type: ldap, servers: \"ldap://127.0.0.1:{port}\", \
         start_tls: false, bind: \"uid={{user}},dc=example\" }}\n"
    )
}

/// Nobody is let in by it, and people of another source are not held up.
fn lied_to(answer: Vec<u8>, endless: bool) {
    let (upstream, gate) = scene_with(&liar(answer, endless), true);
    let mut browser = gate.browser();
    let reply = sign_in(&gate, &mut browser, "anna", &Setup::password("anna"));
    assert_eq!(reply.status, 503, "{}", reply.text());
    browser.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
    sign_in(&gate, &mut browser, "lotte", &Setup::password("lotte")).expect(200);
}

/// The answers to a name that nobody bears and to a wrong password are one.
pub fn unknown_person() {
    let (_slapd, upstream, gate) = scene();
    let mut browser = gate.browser();
    let wrong = sign_in(&gate, &mut browser, "anna", "a long enough password");
    for name in ["nobody", "*", "anna*", "anna)(uid=*", "ou=people", ""] {
        let unknown = sign_in(&gate, &mut browser, name, &Setup::password("anna"));
        assert_eq!(
            (unknown.status, unknown.json()["code"].clone()),
            (401, wrong.json()["code"].clone()),
            "{name}"
        );
    }
    assert!(upstream.take().is_empty());
}

/// Whatever name the person is known by, guesses count under one.
pub fn wrong_credential() {
    let (_slapd, upstream, gate) = scene();
    let mut browser = gate.browser();
    sign_in(&gate, &mut browser, "anna", "").expect(401);
    for name in ["anna", "Anna", "anna@example.com", "ANNA"] {
        sign_in(&gate, &mut browser, name, &Setup::password("ben")).expect(401);
    }
    sign_in(&gate, &mut browser, "anna@EXAMPLE.com", "wrong").expect(429);
    sign_in(&gate, &mut browser, "anna", &Setup::password("anna")).expect(429);
    browser.fetch("GET", &gate.url("app.localhost", "/"), None).expect(401);
    assert!(upstream.take().is_empty());
}

/// Closed for its own people, who are not signed in yet; nobody else waits (R24).
pub fn slow() {
    let slapd = Slapd::start();
    let identity = format!("\n  - {{ name: local, type: local }}{}", slapd.source(&[&slapd.ldaps()], ""));
    let (upstream, gate) = scene_with(&identity, true);
    let mut anna = gate.signed_in("anna");
    slapd.signal("STOP");
    let mut ben = gate.browser();
    assert_eq!(sign_in(&gate, &mut ben, "ben", &Setup::password("ben")).status, 503);
    gate.signed_in("lotte").go(&gate.url("app.localhost", "/")).expect(200);
    anna.go(&gate.url("app.localhost", "/")).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
    slapd.signal("CONT");
    sign_in(&gate, &mut ben, "ben", &Setup::password("ben")).expect(200);
}

/// Likewise, and as before once it is back.
pub fn down() {
    let (mut slapd, _upstream, gate) = scene();
    let mut anna = gate.signed_in("anna");
    slapd.stop();
    let mut ben = gate.browser();
    assert_eq!(sign_in(&gate, &mut ben, "ben", &Setup::password("ben")).status, 503);
    anna.go(&gate.url("app.localhost", "/")).expect(200);
    slapd.start_again();
    sign_in(&gate, &mut ben, "ben", &Setup::password("ben")).expect(200);
}

pub fn lies_oversized() {
    lied_to(b"\x30\x84\xff\xff\xff\xff\x02\x01\x01".to_vec(), false);
    // A message that never ends within a length that is allowed, and nesting without end.
    lied_to(
        b"\x30\x83\x03\xff\xff"
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0x30, 65_536))
            .collect(),
        true,
    );
}

pub fn lies_wrong_type() {
    let result = |id: u8, tag: u8, code: u8| {
        vec![
            0x30, 0x0c, 0x02, 0x01, id, tag, 0x07, 0x0a, 0x01, code, 0x04, 0x00, 0x04, 0x00,
        ]
    };
    for answer in [
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        // Success, but for another question; a search entry; a referral (10).
        result(9, 0x61, 0),
        result(1, 0x64, 0),
        result(1, 0x61, 10),
    ] {
        lied_to(answer, false);
    }
}

/// Whoever signs in over somebody else's session has nothing of theirs.
pub fn other_user_mid_session() {
    let (_slapd, upstream, gate) = scene();
    let (mut browser, _) = gate.enrolled("anna");
    sign_in(&gate, &mut browser, "ben", &Setup::password("ben")).expect(200);
    let session = browser.fetch("GET", &gate.portal("api/v1/session"), None).json();
    assert_eq!(
        (session["subject"].as_str(), &session["proofs"]),
        (Some("corp:ben"), &json!([])),
        "{session}"
    );
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    assert_eq!(upstream.last().twins("remote-groups"), ["admins"]);
}

/// A certificate that the configuration does not know is nobody's.
pub fn rotated_keys() {
    let (slapd, another) = (Slapd::start(), Slapd::start());
    let (upstream, gate) = scene_with(&slapd.source(&[&another.ldaps(), &another.ldap()], ""), false);
    let mut browser = gate.browser();
    assert_eq!(sign_in(&gate, &mut browser, "anna", &Setup::password("anna")).status, 503);
    assert!(gate.log().contains("invalid peer certificate"), "{}", gate.log());
    assert!(upstream.take().is_empty());
}

pub fn ten_tabs() {
    let (_slapd, upstream, gate) = scene();
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
    let (_slapd, _upstream, gate) = scene();
    let mut browser = gate.signed_in("anna");
    browser.go(&gate.url("app.localhost", "/")).expect(200);
    let mut other_tab = browser.clone();
    browser
        .fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    wait_until("the other tab is signed out", || {
        let reply = other_tab.fetch("GET", &gate.url("app.localhost", "/"), None);
        (reply.status == 401).then_some(())
    });
}

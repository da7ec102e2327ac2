//! The table's column for the app's signed cookie: Flask's own, made by Flask's own code.

use std::process::Command;

use super::app_probe::enrol;
use crate::support::{Browser, Gate, Setup, Upstream, peer, peers_python, run, wait_until, write_private};

const SITE: &str = "app.localhost";
const NEW: &str = "new-secret-of-at-least-32-characters!";
const OLD: &str = "old-secret-of-at-least-32-characters!";

/// A cookie of Flask's, signed so many seconds ago.
#[track_caller]
pub fn minted(secret: &str, ago: i64, session: &str) -> String {
    let made = run(Command::new(peers_python()).arg(peer("signed_cookies.py")).args([
        "flask",
        secret,
        &ago.to_string(),
        session,
    ]));
    made.expect(0).stdout.trim().to_owned()
}

fn of(user: &str, session: &str) -> String {
    format!(r#"{{"user":"{user}","_id":"{session}","groups":["staff"]}}"#)
}

fn setup(upstream: &Upstream, secrets: &str) -> Setup {
    let routes = format!(
        "\n  - {{ name: App, host: {SITE}, upstream: \"{}\", identity: app, require: signed-in, rules: \
         [{{ path: /login, require: public }}, {{ path: /sure/**, require: standard }}] }}\n",
        upstream.url()
    );
    let source = format!(
        "[{{ name: app, type: app-session, signed: {{ format: flask, cookie: session, secrets: {secrets}, user: /user, \
         groups: /groups, max_age: 1h }}, sign_in: /login, sign_out: /logout, recheck: 1s }}]"
    );
    Setup::new(&routes).section("identity", &source)
}

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::answering(|request| {
        match request.target().as_str() {
        "/logout" => {
            b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: session=; Max-Age=0\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        _ => crate::support::ok("upstream"),
    }
    });
    let gate = setup(&upstream, &format!("[\"{NEW}\", \"{OLD}\"]")).start();
    (upstream, gate)
}

fn with(gate: &Gate, cookie: &str) -> Browser {
    let mut browser = gate.browser();
    put(&mut browser, cookie);
    browser
}

fn put(browser: &mut Browser, cookie: &str) {
    let jar = browser.cookies.entry(SITE.to_owned()).or_default();
    jar.insert("session".to_owned(), cookie.to_owned());
}

fn status(gate: &Gate, cookie: &str) -> u16 {
    with(gate, cookie).fetch("GET", &gate.url(SITE, "/page"), None).status
}

pub fn unknown_person() {
    let (upstream, gate) = scene();
    let led = gate.browser().visit(&gate.url(SITE, "/page")).expect(303);
    assert_eq!(led.location(), gate.url(SITE, "/login"));
    // Signed, with nobody in it: the app's own visitor.
    assert_eq!(status(&gate, &minted(NEW, 1, "{}")), 401);
    assert!(upstream.requests().is_empty());
    assert_eq!(status(&gate, &minted(NEW, 1, &of("Anna", "s1"))), 200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
    assert_eq!(upstream.last().twins("remote-groups"), ["staff"]);
    assert_eq!(upstream.requests().len(), 1, "the app is not asked");
}

pub fn wrong_credential() {
    let (upstream, gate) = scene();
    let good = minted(NEW, 1, &of("anna", "s1"));
    let (payload, rest) = good.split_once('.').expect("three parts");
    let other = minted(NEW, 1, &of("ben", "s1"));
    for bad in [
        minted("another-secret-of-32-characters!!", 1, &of("anna", "s1")),
        format!("{}.{rest}", other.split_once('.').expect("three parts").0),
        format!("{payload}.{}", rest.replace('.', "")),
        payload.to_owned(),
        format!("{good}x"),
        "..".to_owned(),
        String::new(),
    ] {
        assert_eq!(status(&gate, &bad), 401, "{bad}");
    }
    // Two of the name: the app may take the other one.
    assert_eq!(status(&gate, &format!("{good}; session={other}")), 400);
    assert!(upstream.requests().is_empty());
}

/// What is packed into a small cookie and would not fit is not unpacked.
pub fn lies_oversized() {
    let (upstream, gate) = scene();
    let bomb = format!(r#"{{"user":"anna","pad":"{}"}}"#, " ".repeat(100_000));
    let cookie = minted(NEW, 1, &bomb);
    assert!(cookie.len() < 4096, "{}", cookie.len());
    assert_eq!(status(&gate, &cookie), 401);
    assert_eq!(status(&gate, &"x".repeat(9000)), 401);
    assert!(upstream.requests().is_empty());
}

pub fn lies_wrong_type() {
    let (upstream, gate) = scene();
    for user in ["null", "true", "1.5", "[\"anna\"]", "{\"id\":\"anna\"}", "\"\""] {
        assert_eq!(status(&gate, &minted(NEW, 1, &format!("{{\"user\":{user}}}"))), 401, "{user}");
    }
    for user in ["a@b@c", " anna", "anna\\u0000"] {
        assert_eq!(status(&gate, &minted(NEW, 1, &format!("{{\"user\":\"{user}\"}}"))), 400, "{user}");
    }
    assert!(upstream.requests().is_empty());
}

/// The cookie changes with every answer of the app: the proofs stay with the session in it, and with the
/// person.
pub fn other_user_mid_session() {
    let (_upstream, gate) = scene();
    let mut browser = with(&gate, &minted(NEW, 9, &of("anna", "s1")));
    enrol(&gate, &mut browser);
    let sure = gate.url(SITE, "/sure/x");
    put(&mut browser, &minted(NEW, 5, &of("anna", "s1")));
    browser.fetch("GET", &sure, None).expect(200);
    for other in [of("anna", "s2"), of("ben", "s1")] {
        put(&mut browser, &minted(NEW, 4, &other));
        browser.fetch("GET", &sure, None).expect(401);
        browser.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
    }
}

pub fn rotated_keys() {
    let (_upstream, gate) = scene();
    let (new, old) = (minted(NEW, 1, &of("anna", "s1")), minted(OLD, 1, &of("anna", "s2")));
    assert_eq!((status(&gate, &new), status(&gate, &old)), (200, 200));
    // The old one is taken out of the list: what it has signed ends, also for who is known by it.
    let file = gate.setup.path("stepgate.yaml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    write_private(&file, &text.replace(&format!(", \"{OLD}\""), ""));
    gate.signal("HUP");
    wait_until("the old secret counts no more", || (status(&gate, &old) == 401).then_some(()));
    assert_eq!(status(&gate, &new), 200);
}

pub fn clock_skew() {
    let (_upstream, gate) = scene();
    for (ago, expected) in [(-30, 200), (-300, 401), (3500, 200), (3700, 401)] {
        assert_eq!(status(&gate, &minted(NEW, ago, &of("anna", "s1"))), expected, "signed {ago} s ago");
    }
}

pub fn ten_tabs() {
    let (upstream, gate) = scene();
    let browser = with(&gate, &minted(NEW, 1, &of("anna", "s1")));
    std::thread::scope(|tabs| {
        for tab in 0..50 {
            let (mut browser, url) = (browser.clone(), gate.url(SITE, &format!("/tab/{tab}")));
            tabs.spawn(move || browser.fetch("GET", &url, None).expect(200));
        }
    });
    assert_eq!(upstream.requests().len(), 50);
    assert_eq!(gate.audit("session.started").len(), 1);
}

/// A signed cookie cannot be taken back, and the app would go on with it: known, but with nothing proved.
pub fn log_out_in_one_tab() {
    let (_upstream, gate) = scene();
    let mut browser = with(&gate, &minted(NEW, 1, &of("anna", "s1")));
    enrol(&gate, &mut browser);
    let mut other_tab = browser.clone();
    browser.visit(&gate.url(SITE, "/logout")).expect(302);
    browser.fetch("GET", &gate.url(SITE, "/page"), None).expect(401);
    other_tab.fetch("GET", &gate.url(SITE, "/sure/x"), None).expect(401);
    other_tab.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
}

//! The table's column for the app's own session, learned by asking the app.

use crate::support::{Authenticator, Browser, Gate, Me, OwnLogin, Setup, json, wait_until};

const SITE: &str = "app.localhost";

/// An app at its own site, its sign-in page open to everybody.
pub fn gate(app: &OwnLogin, source: &str) -> Gate {
    gate_with(app, source, "{ per_network: 100000 per 1m }")
}

/// With limits of its own.
pub fn gate_with(app: &OwnLogin, source: &str, limits: &str) -> Gate {
    let routes = format!(
        "\n  - {{ name: App, host: {SITE}, upstream: \"{}\", identity: app, require: signed-in, rules: \
         [{{ path: [/login, /renew], require: public }}, {{ path: /sure/**, require: standard }}] }}\n",
        app.url()
    );
    Setup::new(&routes)
        .section("identity", &format!("[{{ name: app, type: app-session, {source} }}]"))
        .section("limits", limits)
        .start()
}

fn scene() -> (OwnLogin, Gate) {
    scene_of("1s")
}

/// The app is believed for so long.
fn scene_of(recheck: &str) -> (OwnLogin, Gate) {
    let app = OwnLogin::start();
    let gate = gate(
        &app,
        &format!(
            "probe: {{ url: /me, cookies: [sid], user: {{ json: /user }}, groups: {{ json: /groups }}, timeout: 2s }}, \
             recheck: {recheck}, sign_in: \"/login?next={{target}}\", sign_out: /logout"
        ),
    );
    (app, gate)
}

pub fn with_cookie(gate: &Gate, value: &str) -> Browser {
    let mut browser = gate.browser();
    browser
        .cookies
        .entry(SITE.to_owned())
        .or_default()
        .insert("sid".to_owned(), value.to_owned());
    browser
}

fn page(gate: &Gate) -> String {
    gate.url(SITE, "/page?a=1&b=%2F")
}

/// Sets an authenticator app up, led to the portal from a page that asks for it.
#[track_caller]
pub(super) fn enrol(gate: &Gate, browser: &mut Browser) -> Authenticator {
    browser.go(&gate.url(SITE, "/sure/x")).expect(200);
    let authenticator = gate.enrol(browser);
    browser.go(&gate.url(SITE, "/sure/x")).expect(200);
    authenticator
}

/// Led to the app's own page, with where they were going; programs are told where it is.
pub fn unknown_person() {
    let (app, gate) = scene();
    let mut browser = gate.browser();
    let led = browser.visit(&page(&gate)).expect(303);
    let login = gate.url(SITE, "/login?next=%2Fpage%3Fa%3D1%26b%3D%252F");
    assert_eq!(led.location(), login);
    let told = browser.fetch("GET", &page(&gate), None).expect(401);
    assert_eq!(told.json()["challenge_url"], login.as_str());
    assert!(app.questions().is_empty() && app.visits().is_empty(), "nothing to ask with");
    browser.go(&login).expect(200);
    assert_eq!(app.visits(), ["GET /login?next=%2Fpage%3Fa%3D1%26b%3D%252F"]);
}

pub fn wrong_credential() {
    let (app, gate) = scene();
    for value in ["forged", "", "a b", &"x".repeat(3000)] {
        with_cookie(&gate, value).fetch("GET", &page(&gate), None).expect(401);
    }
    assert!(app.visits().is_empty());
    // What the app could read otherwise than we do is refused without a question, and so is what is too large.
    app.signs_in("one", "anna");
    app.signs_in("two", "ben");
    let asked = app.questions().len();
    for value in ["one; sid=two", "one; s.id=two", "one; x=\"; sid=two\""] {
        with_cookie(&gate, value).fetch("GET", &page(&gate), None).expect(400);
        // Nor does the app hear of it at an open page, where somebody could sign in by it.
        with_cookie(&gate, value)
            .fetch("GET", &gate.url(SITE, "/login"), None)
            .expect(400);
    }
    assert!(app.visits().is_empty());
    let huge = with_cookie(&gate, &"x".repeat(17_000)).fetch("GET", &page(&gate), None);
    assert!((400..500).contains(&huge.status), "{}", huge.status);
    assert_eq!(app.questions().len(), asked);
}

pub fn slow() {
    let (app, gate) = scene();
    app.signs_in("one", "anna");
    app.answers(Me::Silent);
    with_cookie(&gate, "one").fetch("GET", &page(&gate), None).expect(503);
    assert!(app.visits().is_empty(), "nobody is let in on a guess");
    app.answers(Me::True);
    with_cookie(&gate, "one").fetch("GET", &page(&gate), None).expect(200);
}

/// Also for somebody who was known a moment ago.
pub fn down() {
    let (app, gate) = scene();
    app.signs_in("one", "anna");
    let mut anna = with_cookie(&gate, "one");
    anna.fetch("GET", &page(&gate), None).expect(200);
    app.answers(Me::Bytes(json(500, "{}")));
    wait_until("the app is asked again", || {
        (anna.fetch("GET", &page(&gate), None).status == 503).then_some(())
    });
    anna.visit(&page(&gate)).expect(503);
    with_cookie(&gate, "two").visit(&page(&gate)).expect(503);
    app.answers(Me::True);
    anna.fetch("GET", &page(&gate), None).expect(200);
}

pub fn lies_oversized() {
    let (app, gate) = scene();
    let padded = format!("{{\"user\":\"anna\",\"pad\":\"{}\"}}", "x".repeat(300 * 1024));
    app.answers(Me::Bytes(json(200, &padded)));
    with_cookie(&gate, "one").fetch("GET", &page(&gate), None).expect(401);
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend_from_slice(format!("4000\r\n{}\r\n", " ".repeat(0x4000)).as_bytes());
    }
    app.answers(Me::Bytes(endless));
    with_cookie(&gate, "two").fetch("GET", &page(&gate), None).expect(401);
    let huge_head = format!("HTTP/1.1 200 OK\r\nX-Pad: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(600_000));
    app.answers(Me::Bytes(huge_head.into_bytes()));
    let reply = with_cookie(&gate, "three").fetch("GET", &page(&gate), None);
    assert!(matches!(reply.status, 401 | 503), "{}", reply.status);
    assert!(app.visits().is_empty());
}

pub fn lies_wrong_type() {
    let (app, gate) = scene();
    let nobody = [
        json(200, r#"{"user":7}"#),
        json(200, r#"{"user":null}"#),
        json(200, r#"{"user":["anna"]}"#),
        json(200, r#"{"user":{"login":"anna"}}"#),
        json(200, r#"{"user":""}"#),
        json(200, r#"{"us"#),
        json(200, "<html>anna</html>"),
        json(201, r#"{"user":"anna"}"#),
        json(302, r#"{"user":"anna"}"#),
        json(403, r#"{"user":"anna"}"#),
        b"HTTP/1.1 302 Found\r\nLocation: /me?really\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ];
    for (at, lie) in nobody.into_iter().enumerate() {
        app.answers(Me::Bytes(lie));
        let reply = with_cookie(&gate, &format!("sid-{at}")).fetch("GET", &page(&gate), None);
        assert_eq!(reply.status, 401, "lie {at}");
    }
    // A name that no source of ours may have is refused, not repaired.
    for (at, name) in ["a@b@c", " anna", "anna\\u0000", "anna\\r\\nRemote-User: ben"]
        .iter()
        .enumerate()
    {
        app.answers(Me::Bytes(json(200, &format!("{{\"user\":\"{name}\"}}"))));
        let reply = with_cookie(&gate, &format!("name-{at}")).fetch("GET", &page(&gate), None);
        assert_eq!(reply.status, 400, "{name}");
    }
    assert!(app.visits().is_empty());
    assert!(
        app.questions().iter().all(|question| question.target() == "/me"),
        "no redirect is followed"
    );
}

/// The same cookie is somebody else's by now: nothing of what was proved is theirs.
pub fn other_user_mid_session() {
    let (app, gate) = scene();
    app.signs_in("one", "anna");
    let mut browser = with_cookie(&gate, "one");
    enrol(&gate, &mut browser);
    let sure = gate.url(SITE, "/sure/x");
    browser.fetch("GET", &sure, None).expect(200);
    app.signs_in("one", "ben");
    wait_until("the app is asked again", || {
        (browser.fetch("GET", &sure, None).status == 401).then_some(())
    });
    browser.fetch("GET", &page(&gate), None).expect(200);
    assert_eq!(app.upstream.last().twins("remote-user"), ["ben"]);
    // Back again: it is a new session, whose proofs are its own.
    app.signs_in("one", "anna");
    wait_until("it is anna's again", || {
        browser.fetch("GET", &page(&gate), None).expect(200);
        (app.upstream.last().twins("remote-user") == ["anna"]).then_some(())
    });
    browser.fetch("GET", &sure, None).expect(401);
}

/// The app gives its session another cookie: the same person goes on, another one does not.
pub fn rotated_keys() {
    let (app, gate) = scene();
    app.signs_in("one", "anna");
    let mut browser = with_cookie(&gate, "one");
    enrol(&gate, &mut browser);
    let before = browser.clone();
    browser.visit(&gate.url(SITE, "/renew")).expect(302);
    assert_ne!(browser.cookies[SITE]["sid"], "one");
    let sure = gate.url(SITE, "/sure/x");
    browser.fetch("GET", &sure, None).expect(200);
    // The old one is nobody's, which ends nothing of the new one.
    let mut old = before;
    wait_until("the old cookie is asked for", || {
        (old.fetch("GET", &sure, None).status == 401).then_some(())
    });
    browser.fetch("GET", &sure, None).expect(200);
    // Renewed, and somebody else's at once.
    browser.visit(&gate.url(SITE, "/renew")).expect(302);
    app.signs_in(&browser.cookies[SITE]["sid"], "ben");
    browser.fetch("GET", &sure, None).expect(401);
}

pub fn ten_tabs() {
    let (app, gate) = scene_of("10m");
    app.signs_in("one", "anna");
    let browser = with_cookie(&gate, "one");
    std::thread::scope(|tabs| {
        for tab in 0..50 {
            let (mut browser, url) = (browser.clone(), gate.url(SITE, &format!("/tab/{tab}")));
            tabs.spawn(move || browser.fetch("GET", &url, None).expect(200));
        }
    });
    assert_eq!(app.visits().len(), 50);
    let asked = app.questions().len();
    assert!(asked == 1, "asked {asked} times for one session");
}

/// By the app's own link, and by nothing but a cookie that is taken away: over for every tab, with its
/// proofs, also where the app itself would go on with the old cookie.
pub fn log_out_in_one_tab() {
    for way in ["/logout", "/quit"] {
        let (app, gate) = scene();
        app.signs_in("one", "anna");
        let mut browser = with_cookie(&gate, "one");
        enrol(&gate, &mut browser);
        let mut other_tab = browser.clone();
        browser.visit(&gate.url(SITE, way)).expect(302);
        let sure = gate.url(SITE, "/sure/x");
        other_tab.fetch("GET", &sure, None).expect(401);
        app.signs_in("one", "anna");
        wait_until("she is known again", || {
            (other_tab.fetch("GET", &page(&gate), None).status == 200).then_some(())
        });
        other_tab.fetch("GET", &sure, None).expect(401);
        assert_eq!(gate.audit("session.ended").len(), 1, "{way}");
    }
}

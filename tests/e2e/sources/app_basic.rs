//! The table's column for HTTP Basic that the app checks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::support::{Browser, Gate, Me, OwnLogin, json, wait_until};

const SITE: &str = "app.localhost";

fn scene() -> (OwnLogin, Gate) {
    scene_of("1s")
}

fn scene_of(recheck: &str) -> (OwnLogin, Gate) {
    let app = OwnLogin::start();
    let gate = super::app_probe::gate(
        &app,
        &format!("basic: {{ url: /me, realm: The app, timeout: 2s }}, recheck: {recheck}"),
    );
    (app, gate)
}

fn with_password(gate: &Gate, name: &str, password: &str) -> Browser {
    let mut browser = gate.browser();
    let field = format!("Basic {}", BASE64.encode(format!("{name}:{password}")));
    browser
        .extra_on
        .insert(SITE.to_owned(), vec![("Authorization".to_owned(), field)]);
    browser
}

fn anna(gate: &Gate) -> Browser {
    with_password(gate, "anna", "app secret anna")
}

fn page(gate: &Gate) -> String {
    gate.url(SITE, "/page")
}

/// Browsers and programs are asked for a name and a password.
pub fn unknown_person() {
    let (app, gate) = scene();
    for reply in [
        gate.browser().visit(&page(&gate)),
        gate.browser().fetch("GET", &page(&gate), None),
        with_password(&gate, "nobody", "app secret other").fetch("GET", &page(&gate), None),
    ] {
        let asked = reply.expect(401);
        assert_eq!(asked.header("www-authenticate"), Some("Basic realm=\"The app\", charset=\"UTF-8\""));
    }
    assert!(app.visits().is_empty());
}

pub fn wrong_credential() {
    let (app, gate) = scene();
    for (name, password) in [
        ("anna", "wrong"),
        ("anna", ""),
        ("", "app secret anna"),
        ("anna", "app secret ben"),
    ] {
        with_password(&gate, name, password)
            .fetch("GET", &page(&gate), None)
            .expect(401);
    }
    let asked = app.questions().len();
    assert_eq!(asked, 2, "what cannot be right is not asked");
    assert!(app.visits().is_empty());
    let log = gate.log() + &gate.sql("SELECT json FROM audit");
    assert!(!log.contains("app secret") && !log.contains(&BASE64.encode("anna:wrong")));
    anna(&gate).fetch("GET", &page(&gate), None).expect(200);
    // Guesses are counted for the person, however she is spelled and wherever they come from; whoever is
    // known goes on.
    for guess in 0..5 {
        let name = if guess % 2 == 0 { "Anna" } else { "anna" };
        let mut guesser = with_password(&gate, name, &format!("guess {guess}"));
        guesser.from = Some(std::net::IpAddr::from([127, 0, 0, 10 + guess]));
        guesser.fetch("GET", &page(&gate), None).expect(401);
    }
    let asked = app.questions().len();
    let locked = with_password(&gate, "anna", "one more")
        .fetch("GET", &page(&gate), None)
        .expect(429);
    assert!(locked.header("retry-after").is_some());
    assert_eq!(app.questions().len(), asked, "at the limit nothing is judged");
    anna(&gate).fetch("GET", &page(&gate), None).expect(200);
    with_password(&gate, "ben", "app secret ben")
        .fetch("GET", &page(&gate), None)
        .expect(200);
}

/// However it is spelled, it is one person.
#[test]
fn a_name_in_capitals_is_the_same_person() {
    let (app, gate) = scene();
    with_password(&gate, "ANNA", "app secret anna")
        .fetch("GET", &page(&gate), None)
        .expect(200);
    assert_eq!(app.upstream.last().twins("remote-user"), ["anna"]);
}

pub fn slow() {
    let (app, gate) = scene();
    app.answers(Me::Silent);
    anna(&gate).fetch("GET", &page(&gate), None).expect(503);
    assert!(app.visits().is_empty());
    app.answers(Me::True);
    anna(&gate).fetch("GET", &page(&gate), None).expect(200);
}

pub fn down() {
    let (app, gate) = scene();
    let mut known = anna(&gate);
    known.fetch("GET", &page(&gate), None).expect(200);
    app.answers(Me::Bytes(json(502, "{}")));
    wait_until("the app is asked again", || {
        (known.fetch("GET", &page(&gate), None).status == 503).then_some(())
    });
    with_password(&gate, "ben", "app secret ben").visit(&page(&gate)).expect(503);
}

pub fn lies_oversized() {
    let (app, gate) = scene();
    app.answers(Me::Bytes(json(200, &" ".repeat(300 * 1024))));
    anna(&gate).fetch("GET", &page(&gate), None).expect(401);
    assert!(app.visits().is_empty());
}

/// Only the one status says "right"; the name is the one that was sent, and has to be acceptable.
pub fn lies_wrong_type() {
    let (app, gate) = scene();
    for status in [201, 302, 400, 403, 404] {
        app.answers(Me::Bytes(json(status, "{}")));
        let password = format!("password {status}");
        with_password(&gate, "anna", &password)
            .fetch("GET", &page(&gate), None)
            .expect(401);
    }
    app.answers(Me::Bytes(json(200, "anything")));
    with_password(&gate, "a@b@c", "x").fetch("GET", &page(&gate), None).expect(400);
    with_password(&gate, " anna", "x").fetch("GET", &page(&gate), None).expect(400);
    assert!(app.visits().is_empty());
}

/// Another name with the same claim is another person without one.
pub fn other_user_mid_session() {
    let (app, gate) = scene();
    let mut browser = anna(&gate);
    super::app_probe::enrol(&gate, &mut browser);
    let sure = gate.url(SITE, "/sure/x");
    browser.fetch("GET", &sure, None).expect(200);
    let mut ben = browser.clone();
    ben.extra_on = with_password(&gate, "ben", "app secret ben").extra_on;
    ben.fetch("GET", &sure, None).expect(401);
    ben.fetch("GET", &page(&gate), None).expect(200);
    assert_eq!(app.upstream.last().twins("remote-user"), ["ben"]);
    browser.fetch("GET", &sure, None).expect(200);
}

pub fn ten_tabs() {
    let (app, gate) = scene_of("10m");
    let browser = anna(&gate);
    std::thread::scope(|tabs| {
        for _ in 0..50 {
            let (mut browser, url) = (browser.clone(), page(&gate));
            tabs.spawn(move || browser.fetch("GET", &url, None).expect(200));
        }
    });
    assert_eq!((app.visits().len(), app.questions().len()), (50, 1));
}

/// One network has so many guesses a minute, whosever names they are, and nothing is written for more.
#[test]
fn h02_a_network_guesses_so_often_and_whoever_is_known_goes_on() {
    let app = OwnLogin::start();
    let gate = super::app_probe::gate_with(
        &app,
        "basic: { url: /me, realm: The app, timeout: 2s }, recheck: 10m",
        "{ per_network: 10 per 1m }",
    );
    let mut known = anna(&gate);
    known.fetch("GET", &page(&gate), None).expect(200);
    let guess = |n: usize| {
        let mut stranger = with_password(&gate, &format!("name{n}"), "guess");
        stranger.fetch("GET", &page(&gate), None).status
    };
    let statuses: Vec<u16> = (0..30).map(guess).collect();
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    assert!(app.questions().len() < 30, "not asked");
    known.fetch("GET", &page(&gate), None).expect(200);
}

//! The main job: a request with enough proof goes through, one without is led to the challenge and back.

use crate::support::{Form, Gate, Setup, Upstream, text_of};

const ROUTES: &str = "
  - name: Wiki
    host: localhost
    upstream: $UPSTREAM
    require: standard
    rules:
      - { path: /public/**, require: public }
      - { path: /me, require: signed-in }
      - { path: /never, require: deny }
";

fn gate(upstream: &Upstream) -> Gate {
    Gate::with(&ROUTES.replace("$UPSTREAM", &upstream.url()))
}

#[test]
fn a_page_is_reached_after_password_and_code_and_never_without() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (_, mut authenticator) = gate.enrolled("anna");
    let page = gate.url("localhost", "/report?month=11&x=%20");

    let mut browser = gate.browser();
    let first = browser.visit(&page).expect(303);
    assert!(first.location().contains("/.stepgate/"), "{}", first.location());
    let sign_in = browser.settle(first).expect(200);
    let form = Form::sign_in(&sign_in.text()).expect("a sign-in form");
    let reply = browser.submit(&form.fill("username", "anna").fill("password", &Setup::password("anna")));
    let challenge = browser.settle(reply).expect(200);
    assert!(text_of(&challenge.text()).contains("Wiki"), "the page says which app asks");
    assert!(upstream.requests().is_empty(), "nothing reached the app before the code");

    let form = Form::code(&challenge.text()).expect("a form for the code");
    let wrong = browser.submit(&form.fill("code", &authenticator.wrong(1)));
    let again = browser.settle(wrong);
    assert!(Form::code(&again.text()).is_some(), "a wrong code leads back to the form");
    assert!(upstream.requests().is_empty(), "nothing reached the app with a wrong code");

    let form = Form::code(&again.text()).unwrap();
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let there = browser.settle(reply).expect(200);
    assert_eq!(there.text(), "upstream");
    let request = upstream.last();
    assert_eq!(
        request.line(),
        "GET /report?month=11&x=%20 HTTP/1.1",
        "exactly where the person was going"
    );
    assert_eq!(request.header("remote-user").as_deref(), Some("anna"));
}

#[test]
fn what_asks_is_told_in_its_own_language() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut browser = gate.browser();
    browser.visit(&gate.url("localhost", "/x")).expect(303);

    let reply = browser.fetch("GET", &gate.url("localhost", "/x"), None).expect(401);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let curl = gate
        .raw()
        .send("GET /x HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
        .reply()
        .expect(401);
    assert_eq!(curl.header("content-type"), Some("application/problem+json"));
    let bare = gate
        .raw()
        .send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .reply()
        .expect(401);
    assert_eq!(bare.header("cache-control"), Some("no-store"));
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_public_page_is_served_to_anybody_without_an_identity() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (mut anna, _) = gate.enrolled("anna");
    for browser in [&mut gate.browser(), &mut anna] {
        browser.visit(&gate.url("localhost", "/public/style.css")).expect(200);
        assert_eq!(upstream.last().twins("remote-user"), Vec::<String>::new(), "public carries no person");
    }
}

#[test]
fn the_first_factor_is_enough_where_nothing_more_is_asked() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut anna = gate.signed_in("anna");
    anna.visit(&gate.url("localhost", "/me")).expect(200);
    assert_eq!(upstream.last().header("remote-user").as_deref(), Some("anna"));
    anna.fetch("GET", &gate.url("localhost", "/x"), None).expect(401);
}

#[test]
fn deny_and_the_unmatched_stay_closed_to_everybody() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (mut anna, _) = gate.enrolled("anna");
    anna.visit(&gate.url("localhost", "/x")).expect(200);
    upstream.take();
    anna.visit(&gate.url("localhost", "/never")).expect(403);
    let other = anna.visit(&gate.url("other.localhost", "/x"));
    assert!((400..500).contains(&other.status), "a host without a route: {}", other.status);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_typed_form_survives_the_challenge_and_is_sent_once() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let typed = format!("text={}&go=Save", "long+".repeat(2000));

    browser.url = gate.url("localhost", "/edit");
    let met = browser.post_form(
        &gate.url("localhost", "/save?page=1"),
        typed.clone().into_bytes(),
        "application/x-www-form-urlencoded",
    );
    assert_eq!(met.status, 303, "{}", met.text());
    let challenge = browser.settle(met).expect(200);
    let form = Form::code(&challenge.text()).expect("a form for the code");
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    let held = browser.settle(reply).expect(200);
    assert!(upstream.requests().is_empty(), "nothing is sent again without a click");
    let send = Form::all(&held.text())
        .into_iter()
        .find(|form| form.method == "post")
        .unwrap_or_else(|| panic!("a button that sends the form: {}", text_of(&held.text())));
    let sent = browser.submit(&send);
    let sent = browser.settle(sent);
    assert_eq!(sent.text(), "upstream", "{}", sent.status);
    let request = upstream.last();
    assert_eq!(request.line(), "POST /save?page=1 HTTP/1.1");
    assert_eq!(String::from_utf8_lossy(&request.body), typed);
    assert_eq!(request.header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));

    upstream.take();
    let twice = browser.submit(&send);
    browser.settle(twice);
    let posts = upstream.requests().into_iter().filter(|r| r.method() == "POST").count();
    assert_eq!(posts, 0, "a held form is sent once");
}

#[test]
fn proof_that_has_aged_is_asked_for_again_in_mid_session() {
    let upstream = Upstream::start();
    let routes = ROUTES.replace("$UPSTREAM", &upstream.url()).replace("standard", "brief");
    let gate = Setup::new(&routes)
        .section("levels", "[{ name: brief, any_of: [totp], valid_for: 2s }]")
        .user("anna", &[])
        .start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    let page = gate.url("localhost", "/x");
    anna.fetch("GET", &page, None).expect(200);
    let reply = crate::support::wait_until("the proof to age", || {
        let reply = anna.fetch("GET", &page, None);
        (reply.status != 200).then_some(reply)
    });
    let problem = reply.expect(401).json();
    assert_eq!(problem["level"], "brief");
    assert_eq!(problem["max_age"], 2);
}

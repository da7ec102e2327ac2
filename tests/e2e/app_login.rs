//! The login an app already has, with a second factor on top: real apps, what they are sent, what it costs.

use serde_json::json;

use crate::support::{
    Browser, Form, Gate, Me, OwnLogin, Setup, Upstream, WebApp, Wiki, ok, run, text_of, wait_until,
};

const SITE: &str = "app.localhost";

/// Flask's own login, its form and its page open to everybody.
fn flask(app: &WebApp, source: &str) -> Gate {
    let routes = format!(
        "\n  - {{ name: Shop, host: {SITE}, upstream: \"{}\", require: signed-in, rules: \
         [{{ path: [/login, /logout, /flash], require: public }}, {{ path: /private/**, require: standard }}] }}\n",
        app.url()
    );
    Setup::new(&routes)
        .section("identity", &format!("[{{ name: shop, type: app-session, {source} }}]"))
        .start()
}

const PROBE: &str = "probe: { url: /me, cookies: session, user: { json: /user/login }, groups: { json: /groups } }, \
                     sign_in: \"/login?next={target}\", sign_out: /logout";

/// Signs in at the app's own form, where the browser was led.
#[track_caller]
fn sign_in(browser: &mut Browser, page: &str, name: &str) -> crate::support::Reply {
    let shown = browser.go(page).expect(200);
    let form = Form::with(&shown.text(), |field| field.name == "password")
        .unwrap_or_else(|| panic!("not the app's form: {}", text_of(&shown.text())));
    let form = form.fill("username", name).fill("password", &WebApp::password(name));
    // Its action is relative to the page, with where they were going.
    let action = browser.url.clone();
    let reply = browser.submit(&Form { action, ..form });
    browser.settle(reply)
}

#[test]
fn a_flask_app_gets_a_second_factor_on_top_of_its_own_login() {
    let app = WebApp::start();
    let gate = flask(&app, PROBE);
    let mut browser = gate.browser();
    // Unknown: the app's own page, and from there on to where they were going: the set-up of a factor.
    let shown = sign_in(&mut browser, &gate.url(SITE, "/private/report?year=26"), "anna");
    assert_eq!(shown.status, 200);
    assert!(browser.url.contains("//localhost:"), "led to the portal: {}", browser.url);
    let mut authenticator = gate.enrol(&mut browser);
    let there = browser.go(&gate.url(SITE, "/private/report?year=26")).expect(200);
    assert_eq!(there.text(), "GET /private/report for anna, gate says anna");

    // Remembered: no further question, however many requests.
    let asked = app.asked("/me");
    for _ in 0..50 {
        browser.fetch("GET", &gate.url(SITE, "/private/report"), None).expect(200);
    }
    assert_eq!(app.asked("/me"), asked, "a remembered session costs the app nothing");

    // Flask changes its cookie with the session's content: it is still the same session.
    browser.visit(&gate.url(SITE, "/flash")).expect(200);
    browser.fetch("GET", &gate.url(SITE, "/private/report"), None).expect(200);

    // Signing out at the app ends it, and with it what was proved.
    let kept = browser.clone();
    browser.visit(&gate.url(SITE, "/logout")).expect(302);
    let mut thief = kept;
    let reply = thief.fetch("GET", &gate.url(SITE, "/private/report"), None).expect(401);
    assert!(reply.json()["level"].is_string() || reply.json()["challenge_url"].is_string());
    let shown = sign_in(&mut browser, &gate.url(SITE, "/private/report"), "anna");
    let form = Form::code(&shown.text()).expect("asked for a code again");
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    browser.settle(reply).expect(200);
    assert_eq!(browser.url, gate.url(SITE, "/private/report"));
}

#[test]
fn a_flask_app_that_takes_http_basic_gets_one_too() {
    let app = WebApp::start();
    let gate = flask(&app, "basic: { url: /basic/me, user: { json: /user }, realm: Shop }");
    let basic = |name: &str, password: &str| {
        let output = run(std::process::Command::new("curl").args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-u",
            &format!("{name}:{password}"),
            "--resolve",
            &format!("{SITE}:{}:127.0.0.1", gate.address().port()),
            &gate.url(SITE, "/page"),
        ]));
        output.expect(0).stdout
    };
    assert_eq!(basic("anna", &WebApp::password("anna")), "200");
    assert_eq!(basic("Anna", &WebApp::password("anna")), "200");
    assert_eq!(basic("anna", "wrong"), "401");
    assert_eq!(app.asked("/page"), 2);
    assert_eq!(gate.sql("SELECT count(DISTINCT subject_key) FROM sessions").trim(), "1", "one person");
}

/// DokuWiki answers every page at one path, so its people sign in at the wiki itself, and the gate learns
/// who they are from what its pages say.
#[test]
fn dokuwikis_own_session_is_learned_from_its_pages_and_ends_with_it() {
    let wiki = Wiki::with_people();
    let routes = format!(
        "\n  - {{ name: Wiki, host: wiki.localhost, upstream: \"{}\", require: standard }}\n",
        wiki.url()
    );
    let gate = Setup::new(&routes)
        .section(
            "identity",
            "[{ name: wiki, type: app-session, sign_out: \"/doku.php?do=logout\", \
             probe: { url: \"/doku.php?id=start\", cookies: [DokuWiki, DW*], headers: [User-Agent, Accept-Language], \
             user: { html: \".user bdi:last-of-type\" } } }]",
        )
        .start();
    let mut anna = wiki_login(&wiki, &gate, "anna");
    let page = gate.url("wiki.localhost", "/doku.php?id=start");
    anna.go(&page).expect(200);
    assert!(anna.url.contains("//localhost:"), "a factor is needed: {}", anna.url);
    gate.enrol(&mut anna);
    let shown = anna.go(&page).expect(200);
    assert!(text_of(&shown.text()).contains("A page from before"), "{}", text_of(&shown.text()));
    let log = wiki.log();
    for _ in 0..5 {
        // As a browser does: the wiki ties its sessions to `User-Agent`.
        anna.visit(&page).expect(200);
    }
    let asked = wiki.log().matches("GET /doku.php").count() - log.matches("GET /doku.php").count();
    assert_eq!(asked, 5, "no question for somebody who is remembered");

    let mut stranger = gate.browser();
    stranger.fetch("GET", &page, None).expect(401);
    let shown = anna.visit(&page).expect(200);
    let mut old = anna.clone();
    let link = format!("/doku.php?id=start&do=logout&sectok={}", sectok(&shown.text()));
    let left = anna.visit(&gate.url("wiki.localhost", &link));
    assert!(left.status < 400, "{}", left.status);
    old.fetch("GET", &page, None).expect(401);
    assert_eq!(gate.audit("session.ended").len(), 1);
}

/// Signs in at the wiki's own form, past the gate, and takes its cookies to the gate's host.
#[track_caller]
fn wiki_login(wiki: &Wiki, gate: &Gate, name: &str) -> Browser {
    let mut direct = Browser::new(([127, 0, 0, 1], wiki.port()).into());
    let host = format!("http://wiki.localhost:{}", wiki.port());
    let shown = direct.go(&format!("{host}/doku.php?id=start&do=login"));
    let form = Form::with(&shown.text(), |field| field.name == "u")
        .unwrap_or_else(|| panic!("no form: {}", text_of(&shown.text())));
    let reply = direct.submit(&form.fill("u", name).fill("p", &Wiki::password(name)));
    let shown = direct.settle(reply);
    assert!(text_of(&shown.text()).contains("A page from before"), "{}", text_of(&shown.text()));
    let mut browser = gate.browser();
    browser.cookies = direct.cookies;
    browser
}

fn sectok(page: &str) -> String {
    let at = page
        .find("do=logout")
        .unwrap_or_else(|| panic!("signed out? {}", text_of(page)));
    let rest = &page[at..];
    let token = rest.split("sectok=").nth(1).unwrap_or_default();
    token.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// security.md A19: what goes to the app with a question is listed, and nothing else goes.
#[test]
fn a19_a_question_carries_what_is_listed_and_nothing_else() {
    let app = OwnLogin::start();
    app.signs_in("one", "anna");
    let gate = crate::sources::gate_of(
        &app,
        "probe: { url: \"/me?full=1\", cookies: [sid, \"remember_*\"], headers: [User-Agent, X-Tenant], user: { json: /user } }",
    );
    let mut anna = gate.browser();
    for (name, value) in [
        ("sid", "one"),
        ("remember_me", "yes"),
        ("theme", "dark"),
        ("stepgate-browser", "ours"),
    ] {
        anna.cookies
            .entry(SITE.to_owned())
            .or_default()
            .insert(name.to_owned(), value.to_owned());
    }
    anna.extra = vec![
        ("User-Agent".into(), "Test/1".into()),
        ("X-Tenant".into(), "blue".into()),
        ("Authorization".into(), "Bearer secret".into()),
        ("X-Api-Key".into(), "secret".into()),
        ("Referer".into(), "https://elsewhere.example/".into()),
        ("X-Forwarded-For".into(), "203.0.113.9".into()),
    ];
    anna.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
    let questions = app.questions();
    let [question] = questions.as_slice() else {
        panic!("{questions:?}")
    };
    assert_eq!(question.line(), "GET /me?full=1 HTTP/1.1");
    let mut names: Vec<String> =
        question.headers().into_iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "accept",
            "cookie",
            "host",
            "user-agent",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-tenant"
        ]
    );
    let mut cookies: Vec<String> = question.all("cookie").join("; ").split("; ").map(str::to_owned).collect();
    cookies.sort();
    assert_eq!(cookies, ["remember_me=yes", "sid=one"]);
    assert_eq!(question.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    // Another tenant's header is another session, although the cookie is the same.
    anna.extra.iter_mut().find(|(name, _)| name == "X-Tenant").unwrap().1 = "red".into();
    anna.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
    assert_eq!(app.questions().len(), 2);
    assert_eq!(gate.sql("SELECT count(*) FROM sessions").trim(), "2");
}

/// The session is found again by its keyed hash, also by the next process, and the store does not have
/// what the browser holds.
#[test]
fn a_session_survives_a_restart_and_the_store_does_not_know_the_cookie() {
    let app = OwnLogin::start();
    app.signs_in("very-secret-cookie", "anna");
    let mut gate = crate::sources::gate_of(&app, "probe: { url: /me, cookies: sid, user: { json: /user } }");
    let mut anna = crate::sources::with_cookie(&gate, "very-secret-cookie");
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    gate.enrol(&mut anna);
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    gate.kill();
    gate.start_again();
    anna.fetch("GET", &gate.url(SITE, "/sure/x"), None).expect(200);
    assert_eq!(app.questions().len(), 2, "the new process asks once");
    assert_eq!(gate.sql("SELECT count(*) FROM sessions WHERE ended IS NULL").trim(), "1");
    let database = std::fs::read(gate.setup.path("state/stepgate.db")).unwrap();
    let log = gate.log();
    assert!(!contains(&database, b"very-secret-cookie") && !log.contains("very-secret-cookie"));
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

/// A proof made at the portal ends when the person signs out there, although the app goes on.
#[test]
fn signing_out_at_the_portal_leaves_the_app_and_takes_the_proof() {
    let app = OwnLogin::start();
    app.signs_in("one", "anna");
    let gate = crate::sources::gate_of(&app, "probe: { url: /me, cookies: sid, user: { json: /user } }");
    let mut anna = crate::sources::with_cookie(&gate, "one");
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    gate.enrol(&mut anna);
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    wait_until("the proof is gone at the site", || {
        (anna.fetch("GET", &gate.url(SITE, "/sure/x"), None).status == 401).then_some(())
    });
    anna.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
}

/// Whoever signs in with the cookie that was nobody's a moment ago is somebody at once.
#[test]
fn a_sign_in_is_seen_at_once() {
    let app = OwnLogin::start();
    let gate = crate::sources::gate_of(
        &app,
        "probe: { url: /me, cookies: sid, user: { json: /user } }, sign_in: /login",
    );
    let mut anna = crate::sources::with_cookie(&gate, "anonymous");
    anna.fetch("GET", &gate.url(SITE, "/page"), None).expect(401);
    let reply =
        anna.post_form(&gate.url(SITE, "/login?user=anna"), Vec::new(), "application/x-www-form-urlencoded");
    reply.expect(302);
    anna.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
    // The same cookie as before, signed in by a post that changes no cookie.
    let mut ben = crate::sources::with_cookie(&gate, "kept");
    ben.fetch("GET", &gate.url(SITE, "/page"), None).expect(401);
    app.signs_in("kept", "ben");
    ben.post_form(&gate.url(SITE, "/renew"), Vec::new(), "application/x-www-form-urlencoded");
    ben.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
}

/// An upstream that answers the question through several addresses is asked at the next one, if the
/// first does not even take the connection.
#[test]
fn a_dead_address_of_the_app_is_passed_over() {
    let app = OwnLogin::start();
    app.signs_in("one", "anna");
    let routes = format!(
        "\n  - {{ name: App, host: {SITE}, upstream: [\"http://127.0.0.1:1\", \"{}\"], require: signed-in }}\n",
        app.url()
    );
    let gate = Setup::new(&routes)
        .section(
            "identity",
            "[{ name: app, type: app-session, probe: { url: /me, cookies: sid, user: { json: /user } } }]",
        )
        .start();
    crate::sources::with_cookie(&gate, "one")
        .fetch("GET", &gate.url(SITE, "/page"), None)
        .expect(200);
    app.answers(Me::Silent);
    let told = gate.setup.command(&["check"], "");
    assert!(told.stdout.contains("SG-C053") || told.stderr.contains("SG-C053"), "{told:?}");
}

/// An app may set its cookie for all hosts of a domain: at the portal it is nobody's, and in nobody's way.
#[test]
fn an_apps_cookie_at_the_portal_changes_nothing_there() {
    let app = OwnLogin::start();
    app.signs_in("one", "anna");
    let gate = crate::sources::gate_of(&app, "probe: { url: /me, cookies: sid, user: { json: /user } }");
    for cookie in ["one", "one; sid=two"] {
        let mut stranger = gate.browser();
        let jar = stranger.cookies.entry("localhost".to_owned()).or_default();
        jar.insert("sid".to_owned(), cookie.to_owned());
        let plain = gate.browser().fetch("GET", &gate.portal(""), None).status;
        assert_eq!(stranger.fetch("GET", &gate.portal(""), None).status, plain, "{cookie}");
    }
    let mut anna = crate::sources::with_cookie(&gate, "one");
    let jar = anna.cookies.entry("localhost".to_owned()).or_default();
    jar.insert("sid".to_owned(), "one".to_owned());
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    gate.enrol(&mut anna);
    anna.go(&gate.url(SITE, "/sure/x")).expect(200);
    anna.fetch("GET", &gate.url(SITE, "/sure/x"), None).expect(200);
    assert_eq!(app.questions().len(), 1, "asked at its own site alone");
}

/// Whoever is known by the app's session cannot be somebody else there by a header that the app prefers.
#[test]
fn b01_no_authorization_goes_on_beside_the_session_of_an_app() {
    let app = Upstream::answering(|request| {
        let anna = request.target() == "/me" && request.header("cookie").is_some();
        if anna {
            return b"HTTP/1.1 200 OK\r\nUser: anna\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        ok("page")
    });
    let received = |also: &str| {
        let routes =
            format!("\n  - {{ name: App, host: {SITE}, upstream: \"{}\", require: signed-in }}\n", app.url());
        let source = format!(
            "[{{ name: app, type: app-session, probe: {{ url: /me, cookies: sid, user: {{ header: user }} }}{also} }}]"
        );
        let gate = Setup::new(&routes).section("identity", &source).start();
        let mut browser = crate::sources::with_cookie(&gate, "one");
        browser.extra = vec![("Authorization".to_owned(), "Basic YmVuOng=".to_owned())];
        browser.fetch("GET", &gate.url(SITE, "/page"), None).expect(200);
        assert_eq!(app.last().header("remote-user").as_deref(), Some("anna"));
        app.last().twins("authorization")
    };
    assert!(received("").is_empty());
    assert_eq!(received(", keeps_authorization: true"), ["Basic YmVuOng="]);
}

//! "Don't ask again on this browser", as it is met over several hosts, with every kind of first factor, and by
//! whoever copies the cookie (security.md E25).

use serde_json::json;

use crate::support::{Authenticator, Browser, Form, Gate, OwnLogin, Reply, Setup, Upstream, text_of};

const BOX: &str = "Don't ask again on this browser for 30 days";

/// Two hosts for each kind of source, an app with sessions of its own among them; one host that trusts no
/// browser, and one that asks every time.
fn scene() -> (OwnLogin, Upstream, Gate) {
    let (app, upstream) = (OwnLogin::start(), Upstream::start());
    let route = |host: &str, to: &str, identity: &str, require: &str| {
        format!(
            "\n  - {{ name: {host}, host: {host}.localhost, upstream: \"{to}\", identity: {identity}, \
             require: {require}, rules: [{{ path: /login, require: public }}] }}"
        )
    };
    let url = upstream.url();
    let routes = [
        route("wiki", &url, "local", "usual"),
        route("shop", &url, "local", "usual"),
        route("bank", &url, "local", "strict"),
        route("safe", &url, "local", "once"),
        route("front", &url, "front", "usual"),
        route("back", &url, "front", "usual"),
        route("app", &app.url(), "app", "usual"),
    ];
    let identity = "
  - { name: local, type: local }
  - { name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, attributes: { user: X-Remote-User } }
  - { name: app, type: app-session, probe: { url: /me, cookies: [sid], user: { json: /user } }, sign_in: /login }";
    let levels = "
  - { name: usual, any_of: [totp], remember_device: 30d }
  - { name: strict, any_of: [totp], valid_for: 15m }
  - { name: once, any_of: [totp], valid_for: 0s }";
    let gate = Setup::new(&routes.concat())
        .section("identity", identity)
        .section("levels", levels)
        .server("trusted_proxies: [127.0.0.1]")
        .user("anna", &[])
        .user("ben", &[])
        .start();
    (app, upstream, gate)
}

fn page(gate: &Gate, host: &str) -> String {
    gate.url(&format!("{host}.localhost"), "/x")
}

/// Ticks the box and answers.
#[track_caller]
fn ticks(browser: &mut Browser, shown: &Reply, authenticator: &mut Authenticator) -> Reply {
    let text = text_of(&shown.text());
    assert!(text.contains(BOX), "{text}");
    let form = Form::code(&shown.text()).unwrap_or_else(|| panic!("{text}"));
    let reply = browser.submit(&form.fill("code", &authenticator.code()).fill("remember", "yes"));
    browser.settle(reply)
}

fn is_asked(reply: &Reply) -> bool {
    Form::code(&reply.text()).is_some()
}

/// Another session of the same person, or another person, in the same browser.
#[track_caller]
fn signs_in_anew(gate: &Gate, browser: &mut Browser, user: &str) {
    browser
        .fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    let body = json!({ "username": user, "password": Setup::password(user) });
    browser.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body)).expect(200);
}

#[test]
fn e25_one_tick_is_for_every_host_whose_level_allows_it_and_for_nothing_else() {
    let (_app, _upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let (_, _) = gate.enrolled("ben");
    let mut browser = gate.signed_in("anna");
    let shown = browser.go(&page(&gate, "wiki"));
    assert_eq!(ticks(&mut browser, &shown, &mut authenticator).text(), "upstream");
    assert!(browser.cookie("wiki.localhost", "stepgate-trusted").is_none(), "it stays at the portal");
    signs_in_anew(&gate, &mut browser, "anna");
    for host in ["wiki", "shop"] {
        assert_eq!(browser.go(&page(&gate, host)).text(), "upstream", "{host}");
    }
    for host in ["bank", "safe"] {
        let shown = browser.go(&page(&gate, host));
        assert!(is_asked(&shown) && !text_of(&shown.text()).contains(BOX), "{host}");
    }
    // It is Anna's: Ben in the same browser is asked, and she is not afterwards.
    signs_in_anew(&gate, &mut browser, "ben");
    assert!(is_asked(&browser.go(&page(&gate, "wiki"))));
    signs_in_anew(&gate, &mut browser, "anna");
    assert_eq!(browser.go(&page(&gate, "wiki")).text(), "upstream");
}

/// How somebody is known to a site.
type As<'a> = &'a dyn Fn(&mut Browser, &str, &str);

#[test]
fn e25_people_whom_only_a_site_knows_are_trusted_in_their_browser_too_and_nobody_else_in_it() {
    let (app, _upstream, gate) = scene();
    let as_front = |browser: &mut Browser, user: &str, session: &str| {
        for host in ["front.localhost", "back.localhost"] {
            let said = [("X-Remote-User", user), ("X-Session", session)];
            let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
            browser.extra_on.insert(host.to_owned(), said.into());
        }
    };
    let as_app = |browser: &mut Browser, user: &str, session: &str| {
        let cookie = format!("{user}{session}");
        app.signs_in(&cookie, user);
        let jar = browser.cookies.entry("app.localhost".to_owned()).or_default();
        jar.retain(|name, _| name.contains("browser"));
        jar.insert("sid".to_owned(), cookie);
    };
    let sources: [(&[&str], As<'_>); 2] = [(&["front", "back"], &as_front), (&["app"], &as_app)];
    for (hosts, known_as) in sources {
        let first = page(&gate, hosts[0]);
        let mut browser = gate.browser();
        known_as(&mut browser, "anna", "s1");
        browser.go(&first);
        let mut authenticator = gate.enrol(&mut browser);
        known_as(&mut browser, "anna", "s2");
        let shown = browser.go(&first);
        ticks(&mut browser, &shown, &mut authenticator).expect(200);
        assert!(!gate.audit("browser.trusted").is_empty());
        // A new session of hers at the proxy, or at the app.
        known_as(&mut browser, "anna", "s3");
        for host in hosts {
            let shown = browser.go(&page(&gate, host));
            assert!(!is_asked(&shown), "{host}: {}", text_of(&shown.text()));
        }
        assert!(!gate.audit("browser.remembered").is_empty(), "{hosts:?}");
        // Somebody else, known to the same site, in the same browser.
        let mut bens = browser.clone();
        let mut own = gate.browser();
        known_as(&mut own, "ben", "t1");
        own.go(&first);
        gate.enrol(&mut own);
        known_as(&mut bens, "ben", "t2");
        let shown = bens.go(&first);
        assert!(is_asked(&shown), "{}", text_of(&shown.text()));
        // And elsewhere she is asked herself.
        let mut elsewhere = gate.browser();
        known_as(&mut elsewhere, "anna", "s4");
        assert!(is_asked(&elsewhere.go(&first)));
    }
}

#[test]
fn e25_a_copied_cookie_is_found_out_and_its_person_told() {
    let (_app, _upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.signed_in("anna");
    let shown = browser.go(&page(&gate, "wiki"));
    ticks(&mut browser, &shown, &mut authenticator);
    let copy = browser.cookie("localhost", "stepgate-trusted").expect("a token").to_owned();
    signs_in_anew(&gate, &mut browser, "anna");
    assert_eq!(browser.go(&page(&gate, "wiki")).text(), "upstream");
    let newer = browser.cookie("localhost", "stepgate-trusted").expect("a token");
    assert_ne!(newer, copy, "it is another after every use");
    // A minute later somebody who knows the password comes with what was copied.
    gate.sql("UPDATE trusted_browsers SET rotated = rotated - 61");
    let mut thief = gate.signed_in("anna");
    let jar = thief.cookies.entry("localhost".to_owned()).or_default();
    jar.insert("stepgate-trusted".to_owned(), copy);
    assert!(is_asked(&thief.go(&page(&gate, "wiki"))));
    assert_eq!(gate.audit("browser.token_copied").len(), 1);
    assert!(is_asked(&thief.go(&page(&gate, "wiki"))));
    // In her own browser it is over as well: nobody can tell which of the two was hers.
    signs_in_anew(&gate, &mut browser, "anna");
    assert!(is_asked(&browser.go(&page(&gate, "wiki"))));
    let list = browser.fetch("GET", &gate.portal("api/v1/trusted-browsers"), None).json();
    assert_eq!(list["browsers"], json!([]));
}

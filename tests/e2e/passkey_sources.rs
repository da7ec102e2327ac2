//! A passkey proves more whoever says who somebody is, and signs in alone only where local users count.

use crate::passkeys::{answer, challenge_for, enrol, origin};
use crate::sources::{gate_of, with_cookie};
use crate::support::{Browser, Gate, OwnLogin, Setup, SoftPasskey, Upstream, text_of};

/// Two browsers of one person: a passkey is made in the first, and used in the second.
#[track_caller]
fn proves(gate: &Gate, page: &str, mut first: Browser, mut second: Browser) {
    let mut key = SoftPasskey::new(1);
    for browser in [&mut first, &mut second] {
        let shown = browser.go(page).expect(200);
        assert!(browser.url.contains("//localhost:"), "not led to the portal: {}", text_of(&shown.text()));
    }
    enrol(gate, &mut first, &mut key).expect(200);
    let there = |browser: &mut Browser| !browser.go(page).expect(200).text().contains("<main");
    assert!(there(&mut first), "not the app");
    let (id, way) = challenge_for(gate, &mut second, page);
    let credential = key.get(&way["options"], &origin(gate));
    let passed = answer(gate, &mut second, &id, &way, &credential).expect(200).json();
    second.go(passed["return"].as_str().unwrap()).expect(200);
    assert!(there(&mut second), "not the app");
    let last = gate.audit("challenge.answered").pop().unwrap();
    assert_eq!((&last["result"], &last["detail"]["factor"]), (&"passed".into(), &"passkey".into()));
}

#[test]
fn somebody_whom_a_proxy_names_to_one_site_alone() {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: Wiki, host: wiki.localhost, upstream: \"{}\", identity: front, require: standard }}\n",
        upstream.url()
    );
    let identity = "[{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, \
         attributes: { user: X-Remote-User } }]";
    let gate = Setup::new(&routes).section("identity", identity).start();
    let known = |session: &str| {
        let mut browser = gate.browser();
        let said = [("X-Remote-User", "anna"), ("X-Session", session)];
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
        browser.extra_on.insert("wiki.localhost".to_owned(), said.into());
        browser
    };
    proves(&gate, &gate.url("wiki.localhost", "/page"), known("s1"), known("s2"));
}

#[test]
fn somebody_who_signed_in_at_the_app_itself() {
    let app = OwnLogin::start();
    let source = "probe: { url: /me, cookies: [sid], user: { json: /user } }, recheck: 1m, sign_in: /login";
    let gate = gate_of(&app, source);
    app.signs_in("one", "anna");
    app.signs_in("two", "anna");
    let page = gate.url("app.localhost", "/sure/page");
    proves(&gate, &page, with_cookie(&gate, "one"), with_cookie(&gate, "two"));
}

#[test]
fn the_sign_in_page_offers_a_passkey_only_where_it_leads_somewhere() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let routes = format!(
        "\n  - {{ name: Desk, host: desk.localhost, upstream: \"{url}\", identity: local, require: standard }}\n  \
         - {{ name: Wiki, host: wiki.localhost, upstream: \"{url}\", identity: [one, two], require: standard }}\n"
    );
    let provider = |name: &str| {
        format!(
            "{{ name: {name}, type: oidc, issuer: \"http://localhost:9/{name}\", client_id: c, client_secret: \"{name} secret of the client\" }}"
        )
    };
    let identity = format!("[{{ name: local, type: local }}, {}, {}]", provider("one"), provider("two"));
    let gate = Setup::new(&routes).section("identity", &identity).user("anna", &[]).start();
    let shown = |site: &str| gate.browser().go(&gate.url(site, "/")).expect(200).text();
    assert!(shown("desk.localhost").contains("data-passkey=\"sign-in\""));
    let wiki = shown("wiki.localhost");
    assert!(wiki.contains("Continue with one") && !wiki.contains("data-passkey"), "{}", text_of(&wiki));
}

//! Real apps whose login is watched as it goes by, or whose signed cookie is read: none of them is asked.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

use crate::support::{Browser, Form, Gate, Reply, Setup, WebApp, Wiki, text_of};

const SITE: &str = "app.localhost";

fn gate(url: &str, source: &str, open: &str, kept: &str) -> Gate {
    let routes = format!(
        "\n  - {{ name: App, host: {SITE}, upstream: \"{url}\", identity: app, require: signed-in, encoded_slash: judge, \
         rules: [{{ path: {open}, require: public }}, {{ path: {kept}, require: standard }}] }}\n"
    );
    let source = format!("[{{ name: app, type: app-session, {source} }}]");
    Setup::new(&routes).section("identity", &source).start()
}

/// Fills in the app's own form on the page shown.
#[track_caller]
fn log_in(
    browser: &mut Browser,
    shown: &Reply,
    (user, password): (&str, &str),
    fields: (&str, &str),
) -> Reply {
    let form = Form::with(&shown.text(), |field| field.name == fields.1)
        .unwrap_or_else(|| panic!("not the app's form: {}", text_of(&shown.text())));
    let form = form.fill(fields.0, user).fill(fields.1, password);
    let action = if form.action.is_empty() {
        browser.url.clone()
    } else {
        form.action.clone()
    };
    browser.submit(&Form { action, ..form })
}

/// The wiki answers everything at one path, which stays open and judges by its own rules; what lies beside it
/// asks for a second factor of whom the wiki was seen to sign in.
#[test]
fn dokuwikis_login_is_watched() {
    let wiki = Wiki::with_people();
    // As DokuWiki names its cookie, where it stands at the root.
    let name = Md5::digest(format!("/{}", wiki.port()));
    let cookie = name.iter().fold("DW".to_owned(), |name, byte| format!("{name}{byte:02x}"));
    let gate = gate(
        &wiki.url(),
        &format!(
            "watch: {{ path: /doku.php, user: {{ form: u }}, cookie: {cookie}, success: {{ location_not: [] }} }}, \
             sign_in: \"/doku.php?do=login\", sign_out: \"/doku.php?do=logout\""
        ),
        "[/doku.php, /lib/exe/css.php, /lib/exe/js.php]",
        "/lib/exe/mediamanager.php",
    );
    let manager = gate.url(SITE, "/lib/exe/mediamanager.php?ns=");
    let mut browser = gate.browser();
    let shown = browser.go(&manager).expect(200);
    assert!(browser.url.contains("do=login"), "{}", browser.url);
    let wrong = log_in(&mut browser, &shown, ("anna", "wrong"), ("u", "p"));
    assert_eq!(wrong.status, 403);
    browser.fetch("GET", &manager, None).expect(401);
    assert!(gate.audit("session.started").is_empty());

    let shown = browser.go(&gate.url(SITE, "/doku.php?id=start&do=login")).expect(200);
    // DokuWiki does not tell upper from lower case, and neither do we.
    log_in(&mut browser, &shown, ("Anna", &Wiki::password("anna")), ("u", "p")).expect(302);
    assert_eq!(gate.audit("session.started").len(), 1);
    browser.go(&manager).expect(200);
    assert!(browser.url.contains("//localhost:"), "a factor is needed: {}", browser.url);
    gate.enrol(&mut browser);
    let shown = browser.go(&manager).expect(200);
    assert!(browser.url.contains("mediamanager"), "{}", browser.url);
    assert!(shown.text().contains("mediamanager"), "{}", text_of(&shown.text()));

    // A page is saved at the path of the login: it goes on as it is, and nobody is signed in or out by it.
    let edit = browser.go(&gate.url(SITE, "/doku.php?id=notes&do=edit")).expect(200);
    let form = Form::with(&edit.text(), |field| field.name == "wikitext").expect("an editor");
    let text = "Grüße & 100 % u=ben\n".repeat(5000);
    let saved = browser.submit_by(&form.fill("wikitext", &text), Some("do[save]"));
    browser.settle(saved).expect(200);
    assert_eq!(wiki.page("notes.txt").trim(), text.trim());
    browser.fetch("GET", &manager, None).expect(200);

    // A wrong password signs out at DokuWiki, and so here.
    let shown = gate.browser().go(&gate.url(SITE, "/doku.php?id=start&do=login"));
    let mut kept = browser.clone();
    log_in(&mut browser, &shown, ("ben", "wrong"), ("u", "p"));
    kept.fetch("GET", &manager, None).expect(401);
}

/// Flask's own cookie, which changes with what the app keeps in it: it is still the same session.
#[test]
fn flasks_signed_cookie_is_read() {
    let app = WebApp::start();
    let gate = gate(
        &app.url(),
        "signed: { format: flask, cookie: session, secrets: \"a key that only this test knows\", user: /user }, \
         sign_in: /login, sign_out: /logout",
        "[/login, /logout, /flash]",
        "/private/**",
    );
    let page = gate.url(SITE, "/private/report");
    let mut browser = gate.browser();
    let shown = browser.go(&page).expect(200);
    log_in(&mut browser, &shown, ("anna", &WebApp::password("anna")), ("username", "password")).expect(302);
    browser.go(&page).expect(200);
    gate.enrol(&mut browser);
    assert_eq!(browser.go(&page).expect(200).text(), "GET /private/report for anna, gate says anna");
    let before = browser.cookies.clone();
    browser.visit(&gate.url(SITE, "/flash")).expect(200);
    assert_ne!(before[SITE]["session"], browser.cookies[SITE]["session"]);
    browser.fetch("GET", &page, None).expect(200);
    assert_eq!(app.asked("/me"), 0, "the app is not asked");
    browser.visit(&gate.url(SITE, "/logout")).expect(302);
    browser.fetch("GET", &page, None).expect(401);
}

#[test]
fn djangos_signed_cookie_is_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let app = WebApp::django(directory.path());
    let gate = gate(
        &app.url(),
        "signed: { format: django, cookie: sessionid, secrets: \"a key that only the django test knows\" }, \
         sign_in: /login, sign_out: /logout",
        "[/login, /touch]",
        "/private/**",
    );
    let page = gate.url(SITE, "/private/report");
    let mut browser = gate.browser();
    let shown = browser.go(&page).expect(200);
    log_in(&mut browser, &shown, ("anna", &WebApp::password("anna")), ("username", "password")).expect(302);
    browser.go(&page).expect(200);
    gate.enrol(&mut browser);
    assert_eq!(browser.go(&page).expect(200).text(), "/private/report for anna, gate says 1");
    let before = browser.cookies.clone();
    browser.visit(&gate.url(SITE, "/touch")).expect(200);
    assert_ne!(before[SITE]["sessionid"], browser.cookies[SITE]["sessionid"]);
    browser.fetch("GET", &page, None).expect(200);

    // Another person's cookie: known as that person, with nothing proved.
    let mut other = gate.browser();
    let shown = other.go(&page).expect(200);
    log_in(&mut other, &shown, ("ben", &WebApp::password("ben")), ("username", "password")).expect(302);
    let claims: BTreeMap<_, _> = browser.cookies[SITE].clone();
    let jar = other.cookies.get_mut(SITE).expect("cookies");
    jar.extend(claims.into_iter().filter(|(name, _)| name.contains("stepgate")));
    other.fetch("GET", &page, None).expect(401);
    assert_eq!(other.go(&gate.url(SITE, "/page")).expect(200).text(), "/page for ben, gate says 2");
}

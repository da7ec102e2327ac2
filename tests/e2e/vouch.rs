//! People whom only the app's own site knows: the site vouches for them at the portal, which sees none
//! of their credentials, and nobody can be led into somebody else's session by it.

use serde_json::json;

use crate::support::{Authenticator, Browser, Form, Gate, Reply, Setup, Upstream, text_of};

/// Two sites behind a proxy that says who it is, on no host but theirs, and a third with local users.
fn scene() -> (Upstream, Gate) {
    scene_with("[{ name: standard, any_of: [totp, recovery_code] }]")
}

/// The same with these levels.
fn scene_with(levels: &str) -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let url = upstream.url();
    let routes = format!(
        "\n  - {{ name: Wiki, host: wiki.localhost, upstream: \"{url}\", identity: front, require: standard }}\n  \
         - {{ name: Shop, host: shop.localhost, upstream: \"{url}\", identity: front, require: standard }}\n  \
         - {{ name: Desk, host: desk.localhost, upstream: \"{url}\", identity: local, require: standard }}\n"
    );
    let identity = "[{ name: front, type: trusted-header, from: [127.0.0.1], session: X-Session, \
         attributes: { user: X-Remote-User } }, { name: local, type: local }]";
    let setup = Setup::new(&routes).section("identity", identity).section("levels", levels);
    let gate = setup.user("ben", &[]).start();
    (upstream, gate)
}

fn known_as(gate: &Gate, user: &str, session: &str) -> Browser {
    let mut browser = gate.browser();
    comes_as(&mut browser, user, session);
    browser
}

/// From here on the proxy says that this person is in that browser.
fn comes_as(browser: &mut Browser, user: &str, session: &str) {
    for host in ["wiki.localhost", "shop.localhost"] {
        browser.extra_on.insert(
            host.to_owned(),
            vec![
                ("X-Remote-User".to_owned(), user.to_owned()),
                ("X-Session".to_owned(), session.to_owned()),
            ],
        );
    }
}

/// Sets an authenticator app up on the pages, where the browser was led.
#[track_caller]
fn enrol(gate: &Gate, browser: &mut Browser) -> Authenticator {
    let shown = browser.go(&gate.url("wiki.localhost", "/page?a=1"));
    assert!(browser.url.contains("localhost") && !browser.url.contains("wiki."), "{}", browser.url);
    assert_eq!(shown.status, 200, "{}", text_of(&shown.text()));
    gate.enrol(browser)
}

#[track_caller]
fn confirm(browser: &mut Browser, shown: &Reply, authenticator: &mut Authenticator) -> Reply {
    let form = Form::code(&shown.text()).unwrap_or_else(|| panic!("no form: {}", text_of(&shown.text())));
    let reply = browser.submit(&form.fill("code", &authenticator.code()));
    browser.settle(reply)
}

#[test]
fn a_person_known_to_one_site_alone_proves_more_at_the_portal_and_comes_back() {
    let (upstream, gate) = scene();
    let mut anna = known_as(&gate, "anna", "s1");
    let mut authenticator = enrol(&gate, &mut anna);
    // The enrolment's proof is at the portal; the way back takes it to the site.
    anna.go(&gate.url("wiki.localhost", "/page?a=1")).expect(200);
    let seen = upstream.last();
    assert_eq!(
        (seen.target().as_str(), seen.twins("remote-user")),
        ("/page?a=1", vec!["anna".to_owned()])
    );
    // Another browser of hers, in another session: asked again, by a code.
    let mut second = known_as(&gate, "anna", "s2");
    upstream.take();
    let shown = second.go(&gate.url("wiki.localhost", "/deep/page"));
    assert!(upstream.take().is_empty());
    confirm(&mut second, &shown, &mut authenticator).expect(200);
    assert_eq!(upstream.last().target(), "/deep/page");
    // The second site knows her in the same session of the proxy: one proof is enough for both.
    second.go(&gate.url("shop.localhost", "/")).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
    assert!(!gate.audit("session.started").is_empty());
}

#[test]
fn g05_a_code_of_the_way_counts_in_the_browser_that_asked_alone() {
    let (_upstream, gate) = scene();
    let mut mallory = known_as(&gate, "mallory", "m");
    // As far as the code that would take Mallory's session to the portal.
    let mut reply = mallory.visit(&gate.url("wiki.localhost", "/"));
    let code = loop {
        let next = mallory.next(&reply).expect("on the way to the portal");
        if next.contains("callback?code=") {
            break next;
        }
        reply = mallory.visit(&next);
    };
    // Anna follows that link: nothing of Mallory's becomes hers, with or without cookies of her own.
    let mut anna = gate.browser();
    anna.visit(&code).expect(400);
    let session = anna.fetch("GET", &gate.portal("api/v1/session"), None).json();
    assert_eq!(session["signed_in"], json!(false));
    // It was used up by that.
    mallory.visit(&code).expect(400);
}

#[test]
fn g05_a_site_vouches_for_its_own_journeys_in_their_own_browser_alone() {
    let (_upstream, gate) = scene();
    let mut mallory = known_as(&gate, "mallory", "m");
    let led = mallory.visit(&gate.url("wiki.localhost", "/"));
    let to_portal = mallory.next(&led).expect("to the portal");
    let to_vouch = {
        let reply = mallory.visit(&to_portal);
        mallory.next(&reply).expect("back to the site")
    };
    assert!(to_vouch.contains("wiki.localhost"), "{to_vouch}");
    // The same address in Anna's browser: her own site sends her to where Mallory was going, no further.
    let mut anna = known_as(&gate, "anna", "a");
    let reply = anna.visit(&to_vouch);
    let next = anna.next(&reply).unwrap_or_default();
    assert!(next.ends_with("wiki.localhost/") || next.ends_with('/'), "{next}");
    assert!(!next.contains("code="), "{next}");
    // Another site does not vouch for a journey of the first.
    let elsewhere = to_vouch.replace("wiki.localhost", "shop.localhost");
    mallory.visit(&elsewhere).expect(400);
    // Nor does anybody vouch without the digest.
    let (bare, _) = to_vouch.split_once("&b=").expect("a digest");
    mallory.visit(bare).expect(400);
}

#[test]
fn another_person_at_the_portal_is_not_taken_for_the_one_at_the_site() {
    let (upstream, gate) = scene();
    let mut anna = known_as(&gate, "anna", "s1");
    let mut annas = enrol(&gate, &mut anna);
    // Ben is signed in at the portal of the browser in which Anna is known at the site.
    let mut shared = known_as(&gate, "anna", "s3");
    let body = json!({ "username": "ben", "password": Setup::password("ben") });
    shared.fetch("POST", &gate.portal("api/v1/sign-in"), Some(&body)).expect(200);
    let mut bens = gate.enrol(&mut shared);
    upstream.take();
    let shown = shared.go(&gate.url("wiki.localhost", "/private"));
    assert!(text_of(&shown.text()).contains("anna"), "{}", text_of(&shown.text()));
    let wrong = shared.submit(&Form::code(&shown.text()).unwrap().fill("code", &bens.code()));
    assert!(wrong.status >= 400, "Ben's code does not prove that it is Anna: {}", wrong.status);
    assert!(upstream.take().is_empty());
    let shown = shared.go(&gate.url("wiki.localhost", "/private"));
    confirm(&mut shared, &shown, &mut annas).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
    // At the site that takes local users nobody is known yet: Anna there is nobody.
    let desk = shared.go(&gate.url("desk.localhost", "/"));
    assert!(Form::sign_in(&desk.text()).is_some(), "{}", text_of(&desk.text()));
}

#[test]
fn signing_out_at_the_portal_ends_the_claim_of_a_person_the_site_vouched_for() {
    let (upstream, gate) = scene();
    let mut anna = known_as(&gate, "anna", "s1");
    enrol(&gate, &mut anna);
    anna.go(&gate.url("wiki.localhost", "/")).expect(200);
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    upstream.take();
    crate::support::wait_until("the claim is void at the site", || {
        let reply = anna.fetch("GET", &gate.url("wiki.localhost", "/"), None);
        (reply.status == 401).then_some(())
    });
}

#[test]
fn e25_what_a_browser_is_trusted_with_is_one_persons_whoever_the_site_says_is_there() {
    let (upstream, gate) =
        scene_with("[{ name: standard, any_of: [totp], valid_for: 12h, remember_device: 7d }]");
    let page = gate.url("wiki.localhost", "/page");
    let mut annas = enrol(&gate, &mut known_as(&gate, "anna", "s1"));
    enrol(&gate, &mut known_as(&gate, "ben", "b1"));
    let mut shared = known_as(&gate, "anna", "s2");
    let shown = shared.go(&page);
    let form = Form::code(&shown.text())
        .expect("asked in a new session")
        .fill("remember", "yes");
    let reply = shared.submit(&form.fill("code", &annas.code()));
    shared.settle(reply).expect(200);
    assert!(shared.cookie("localhost", "stepgate-trusted").is_some(), "{:?}", shared.cookies);
    // Another session of hers in the same browser: not asked.
    comes_as(&mut shared, "anna", "s3");
    upstream.take();
    shared.go(&page).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
    // That permits no change of hers.
    let body = json!({ "factor": "totp" });
    shared.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body)).expect(403);
    // Somebody else whom the site knows in that browser is asked, and uses up nothing of hers.
    comes_as(&mut shared, "ben", "b2");
    upstream.take();
    let shown = shared.go(&page);
    assert!(Form::code(&shown.text()).is_some(), "{}", text_of(&shown.text()));
    assert!(upstream.take().is_empty());
    comes_as(&mut shared, "anna", "s4");
    shared.go(&page).expect(200);
    assert_eq!(upstream.last().twins("remote-user"), ["anna"]);
}

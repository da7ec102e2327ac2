//! Signing in at an OpenID provider, npm's `oidc-provider`: login and consent, tabs, what it says of people
//! as time goes by, and signing out here and there.

use serde_json::json;

use crate::support::{Browser, Gate, Provider, Reply, Setup, Upstream, wait_until};

/// A gate whose people sign in at this provider, with an app of which `/staff/**` is for the group `staff`.
fn gate_for(upstream: &Upstream, identity: impl FnOnce(&Setup) -> (Provider, String)) -> (Provider, Gate) {
    let routes = format!(
        "- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: [\
         {{ path: /staff/**, when: {{ not: staff }}, require: deny }}, \
         {{ path: /sure/**, require: standard }}] }}",
        upstream.url()
    );
    let setup = Setup::new(&routes);
    let (provider, identity) = identity(&setup);
    let setup = setup.section("conditions", "{ staff: { groups: [staff] } }");
    (provider, setup.section("identity", &identity).start())
}

fn one(upstream: &Upstream, more: &str) -> (Provider, Gate) {
    gate_for(upstream, |setup| {
        let provider = Provider::start(setup.port(), &["sso"]);
        let source = provider.source("sso", more);
        (provider, source)
    })
}

const FULL: &str = "scopes: [openid, profile, email, groups, offline_access], label: Example Login";

fn who(gate: &Gate, browser: &mut Browser) -> serde_json::Value {
    browser.fetch("GET", &gate.portal("api/v1/session"), None).json()
}

fn sign_in(gate: &Gate, provider: &Provider, login: &str) -> (Browser, Reply) {
    let mut browser = provider.known_to(gate.browser());
    let reply = browser.visit(&gate.url("localhost", "/page"));
    let reply = provider.sign_in(&mut browser, reply, login);
    (browser, reply)
}

#[test]
fn people_sign_in_at_their_provider_and_the_app_hears_who_they_are() {
    let upstream = Upstream::start();
    let (provider, gate) = one(&upstream, FULL);
    let (mut anna, reply) = sign_in(&gate, &provider, "anna");
    assert_eq!((reply.status, reply.text().as_str()), (200, "upstream"), "{}", gate.log());
    let seen = upstream.last();
    assert_eq!(seen.target(), "/page");
    assert_eq!(seen.twins("remote-user"), ["anna"]);
    assert_eq!(seen.twins("remote-name"), ["anna of the provider"]);
    assert_eq!(seen.twins("remote-email"), ["anna@example.com"]);
    assert_eq!(seen.twins("remote-groups"), ["staff"]);
    assert_eq!(who(&gate, &mut anna)["subject"], "sso:anna");
    // No cookie of the sign-in is left, and none was ever the app's.
    assert!(anna.cookies["localhost"].keys().all(|name| !name.contains("oidc")), "{:?}", anna.cookies);
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| !request.all("cookie").join(";").contains("stepgate"))
    );
    let kinds: Vec<_> = provider.told("kind").iter().map(|told| told["kind"].clone()).collect();
    assert_eq!(kinds, ["authorization_code"]);
    assert!(provider.told("pkce").iter().all(|told| told["pkce"] == true));
    // The second factor stands on it.
    gate.enrol(&mut anna);
    anna.fetch("GET", &gate.url("localhost", "/sure/x"), None).expect(200);
    // What is asked of the provider is never asked for an ordinary request.
    let before = gate.operations("/metrics").text();
    let asked = |text: &str| {
        text.lines()
            .filter(|line| line.contains("source=\"sso\""))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for _ in 0..20 {
        anna.fetch("GET", &gate.url("localhost", "/page"), None).expect(200);
    }
    assert_eq!(asked(&before), asked(&gate.operations("/metrics").text()));
    assert!(
        asked(&before).iter().any(|line| line.contains("known") && line.ends_with(" 1")),
        "{before}"
    );
}

#[test]
fn every_algorithm_with_a_public_key_is_understood() {
    for algorithm in ["ES256", "EdDSA"] {
        let upstream = Upstream::start();
        let (provider, gate) = gate_for(&upstream, |setup| {
            let provider = Provider::with(setup.port(), &["sso"], algorithm);
            let source = provider.source("sso", "");
            (provider, source)
        });
        let (_, reply) = sign_in(&gate, &provider, "anna");
        assert_eq!(reply.text(), "upstream", "{algorithm}: {}", gate.log());
    }
}

#[test]
fn new_keys_are_found_and_clocks_may_differ_by_less_than_a_minute() {
    let upstream = Upstream::start();
    let (mut provider, gate) = one(&upstream, "");
    assert_eq!(sign_in(&gate, &provider, "anna").1.text(), "upstream");
    provider.command(&json!({ "rotate": true }));
    assert_eq!(sign_in(&gate, &provider, "ben").1.text(), "upstream", "{}", gate.log());
    for (seconds, good) in [(30, true), (120, false), (-30, true)] {
        provider.command(&json!({ "skew": seconds }));
        let (mut carl, reply) = sign_in(&gate, &provider, "carl");
        assert_eq!(reply.status, if good { 200 } else { 400 }, "{seconds}: {}", gate.log());
        assert_eq!(who(&gate, &mut carl)["signed_in"], good, "{seconds}");
    }
}

#[test]
fn what_changes_at_the_provider_changes_here() {
    let upstream = Upstream::start();
    let (mut provider, gate) = one(&upstream, &format!("{FULL}, refresh: 1s"));
    let (mut anna, _) = sign_in(&gate, &provider, "anna");
    anna.fetch("GET", &gate.url("localhost", "/staff/x"), None).expect(200);
    provider.command(&json!({ "account": "anna", "groups": ["guests"] }));
    wait_until("her groups are known to have changed", || {
        (anna.fetch("GET", &gate.url("localhost", "/staff/x"), None).status == 403).then_some(())
    });
    anna.fetch("GET", &gate.url("localhost", "/page"), None).expect(200);
    provider.command(&json!({ "account": "anna", "gone": true }));
    wait_until("she is signed out", || {
        (anna.fetch("GET", &gate.url("localhost", "/page"), None).status == 401).then_some(())
    });
    assert!(
        gate.audit("session.ended")
            .iter()
            .any(|record| record["result"] == "ended_by_provider")
    );
}

#[test]
fn a_provider_that_is_away_keeps_nobody_out_who_is_in() {
    let upstream = Upstream::start();
    let (mut provider, gate) = one(&upstream, &format!("{FULL}, refresh: 1s"));
    let (mut anna, _) = sign_in(&gate, &provider, "anna");
    provider.stop();
    wait_until("the provider was asked in vain", || {
        anna.fetch("GET", &gate.url("localhost", "/page"), None).expect(200);
        gate.operations("/metrics").text().contains("unavailable").then_some(())
    });
    anna.fetch("GET", &gate.url("localhost", "/page"), None).expect(200);
    // Who wants in is told, and can try again.
    let mut ben = gate.browser();
    let reply = ben.visit(&gate.portal("sign-in/sso"));
    assert!(matches!(reply.status, 303 | 503), "{}", reply.status);
}

#[test]
fn signing_out_at_the_provider_is_signing_out_here() {
    let upstream = Upstream::start();
    let (provider, gate) = one(&upstream, FULL);
    let (mut anna, _) = sign_in(&gate, &provider, "anna");
    let mut elsewhere = anna.clone();
    // The provider's own page asks, and tells everybody it has signed her in at.
    let reply = anna.go(&format!("{}/session/end", provider.issuer()));
    let form = crate::support::Form::all(&reply.text()).into_iter().next().expect("it asks");
    anna.submit_by(&form.fill("logout", "yes"), None);
    wait_until("the provider has told us", || {
        let told = provider.told("event");
        told.iter().any(|one| one["event"] == "backchannel.success").then_some(())
    });
    wait_until("her session has ended", || {
        (elsewhere.fetch("GET", &gate.url("localhost", "/page"), None).status == 401).then_some(())
    });
    assert!(
        gate.audit("session.ended")
            .iter()
            .any(|record| record["result"] == "signed_out_at_provider")
    );
}

#[test]
fn several_providers_are_offered_and_never_mixed_up() {
    let upstream = Upstream::start();
    let (provider, gate) = gate_for(&upstream, |setup| {
        let provider = Provider::start(setup.port(), &["staff", "guests"]);
        let sources = format!(
            "{}{}",
            provider.source("staff", "label: Staff Login"),
            provider.source("guests", "label: Guest Login")
        );
        (provider, sources)
    });
    let mut anna = provider.known_to(gate.browser());
    let page = anna.go(&gate.url("localhost", "/page")).expect(200).text();
    assert!(
        page.contains("Continue with Staff Login") && page.contains("Continue with Guest Login"),
        "{page}"
    );
    assert!(!page.contains("type=\"password\""), "nobody has a password here");
    // An answer for one of them is nothing to the other.
    let away = anna.visit(&gate.portal("sign-in/staff"));
    let reply = anna.visit(away.expect(303).location());
    let mut reply = reply;
    let mut crossed = false;
    for _ in 0..8 {
        let next = anna.next(&reply);
        match next {
            Some(next) if next.contains("/sign-in/staff/callback") => {
                anna.visit(&next.replace("/sign-in/staff/", "/sign-in/guests/")).expect(400);
                crossed = true;
                reply = anna.visit(&next);
                break;
            }
            Some(next) => reply = anna.visit(&next),
            None => {
                let page = reply.text();
                let form = crate::support::Form::all(&page)
                    .into_iter()
                    .next()
                    .expect("a form of the provider");
                reply = anna.submit(&form.fill("login", "anna").fill("password", "x"));
            }
        }
    }
    assert!(crossed, "the provider sent her back");
    reply.expect(303);
    assert_eq!(who(&gate, &mut anna)["subject"], "staff:anna");
}

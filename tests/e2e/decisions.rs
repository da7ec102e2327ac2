//! What is demanded of whom: rules, floors, raises, options, conditions and query parameters.
//!
//! Requirements only add; what cannot be established never relaxes anything.

use crate::support::{Browser, Gate, Setup, Upstream};

/// What became of a request, seen from outside.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Served,
    /// 401 that names this level; the empty name where only an identity is missing.
    Asked(String),
    Refused,
}
use Seen::{Refused, Served};

fn asked(level: &str) -> Seen {
    Seen::Asked(level.to_owned())
}

fn see(gate: &Gate, browser: &mut Browser, host: &str, method: &str, target: &str) -> Seen {
    let reply = browser.fetch(method, &gate.url(host, target), None);
    match reply.status {
        200 => Served,
        401 => Seen::Asked(reply.json()["level"].as_str().unwrap_or_default().to_owned()),
        403 => Refused,
        other => panic!("{method} {target}: {other} {}", reply.text()),
    }
}

fn setup(upstream: &Upstream, routes: &str) -> Setup {
    Setup::new(&routes.replace("$UPSTREAM", &upstream.url())).section(
        "levels",
        "
  - { name: fresh, any_of: [totp], valid_for: 15m }
  - { name: other, any_of: [totp, recovery_code], valid_for: 12h }
  - { name: brief, any_of: [totp], valid_for: 1s }
  - { name: once, any_of: [totp], valid_for: 0s }
  - { name: paper, any_of: [recovery_code], valid_for: 1h }",
    )
}

#[test]
fn the_first_matching_rule_decides_and_methods_are_part_of_it() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: other
    rules:
      - { path: /open/*.css, require: public }
      - { path: /open/secret/**, require: deny }
      - { path: /open/**, method: [GET, HEAD], require: public }
      - { path: /pay/*/approve, method: POST, require: fresh }
      - { path: /pay/**, require: signed-in }
",
    )
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    for (method, target, seen) in [
        ("GET", "/open/a.css", Served),
        ("GET", "/open/secret/x", Refused),
        ("GET", "/open/b", Served),
        ("POST", "/open/b", asked("other")),
        ("POST", "/pay/7/approve", asked("fresh")),
        ("GET", "/pay/7/approve", Served),
        ("GET", "/pay", Served),
        ("GET", "/payments", asked("other")),
        ("GET", "/", asked("other")),
    ] {
        assert_eq!(see(&gate, &mut anna, "localhost", method, target), seen, "{method} {target}");
    }
}

#[test]
fn floor_and_raise_only_add() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: plain
    host: plain.localhost
    upstream: $UPSTREAM
    require: signed-in
    rules:
      - { path: /open/**, require: public }
      - { path: /health, require: public }
  - name: raised
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules:
      - { path: /open/**, require: public }
      - { path: /paper, require: paper }
    raise:
      - { when: staff, to: fresh }
",
    )
    .section("floor", "{ require: signed-in, except: [/health] }")
    .section("conditions", "{ staff: { groups: [staff] } }")
    .user("anna", &["--groups", "staff"])
    .user("ben", &["--groups", "guests"])
    .start();
    let mut nobody = gate.browser();
    let mut anna = gate.signed_in("anna");
    let mut ben = gate.signed_in("ben");
    assert_eq!(
        see(&gate, &mut nobody, "plain.localhost", "GET", "/health"),
        Served,
        "the floor's own exemption"
    );
    assert!(
        matches!(see(&gate, &mut nobody, "plain.localhost", "GET", "/open/x"), Seen::Asked(_)),
        "the floor joins public"
    );
    let raised = |browser: &mut Browser, path: &str| see(&gate, browser, "localhost", "GET", path);
    assert_eq!(raised(&mut ben, "/x"), Served);
    assert_eq!(raised(&mut anna, "/x"), asked("fresh"), "the raise applies");
    assert_eq!(raised(&mut anna, "/open/x"), asked("fresh"), "to what is public too");
    let mut authenticator = gate.enrol(&mut anna);
    gate.step_up(&mut anna, &mut authenticator);
    assert_eq!(raised(&mut anna, "/x"), Served);
    assert_eq!(raised(&mut anna, "/paper"), asked("paper"), "a raise never replaces what the rule asks");
}

#[test]
fn what_is_unknown_tightens_and_never_relaxes() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: other
    rules:
      - { path: /rule, when: contractor, require: signed-in }
      - { path: /not, when: { not: contractor }, require: signed-in }
      - { path: /any, when: { any: [here, contractor] }, require: signed-in }
      - { path: /raised, require: signed-in }
    raise:
      - { when: [contractor, nowhere], to: deny }
      - { when: contractor, to: fresh }
",
    )
    .section(
        "conditions",
        "
  contractor: { user: { employment: contractor } }
  here: { network: [127.0.0.0/8] }
  nowhere: { network: [192.0.2.0/24] }",
    )
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    for target in ["/rule", "/not", "/raised", "/any"] {
        let seen = see(&gate, &mut anna, "localhost", "GET", target);
        assert!(
            matches!(seen, Seen::Asked(_)),
            "{target}: local users have no such attribute, so the raise applies; {seen:?}"
        );
    }
    let mut authenticator = gate.enrol(&mut anna);
    gate.step_up(&mut anna, &mut authenticator);
    for target in ["/rule", "/not", "/raised", "/any"] {
        assert_eq!(see(&gate, &mut anna, "localhost", "GET", target), Served, "{target}");
    }
}

#[test]
fn a_condition_on_the_network_sees_the_socket_s_address() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: other
    rules: [{ when: office, require: signed-in }]
",
    )
    .section("conditions", "{ office: { network: [127.9.0.0/16] } }")
    .user("anna", &[])
    .start();
    let mut outside = gate.signed_in("anna");
    outside.extra = vec![("X-Forwarded-For".into(), "127.9.0.1".into())];
    assert_eq!(
        see(&gate, &mut outside, "localhost", "GET", "/"),
        asked("other"),
        "a header is not an address"
    );
    let mut inside = gate.signed_in("anna");
    inside.from = Some([127, 9, 3, 4].into());
    assert_eq!(see(&gate, &mut inside, "localhost", "GET", "/"), Served);
}

#[test]
fn a_condition_on_time_follows_its_zone() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: app
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules:
      - { path: /always, when: always, require: deny }
    raise:
      - { when: { not: always }, to: deny }
",
    )
    .section(
        "conditions",
        "{ always: { time: { days: [mon, tue, wed, thu, fri, sat, sun], between: [\"00:00\", \"24:00\"], zone: Europe/London } } }",
    )
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/"), Served);
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/always"), Refused);
}

#[test]
fn optional_asks_only_those_who_have_enrolled() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: other, optional: true }
",
    )
    .user("anna", &[])
    .user("ben", &[])
    .start();
    let (_, _) = gate.enrolled("anna");
    let mut anna = gate.signed_in("anna");
    let mut ben = gate.signed_in("ben");
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/"), asked("other"));
    assert_eq!(see(&gate, &mut ben, "localhost", "GET", "/"), Served);
    assert!(
        matches!(see(&gate, &mut gate.browser(), "localhost", "GET", "/"), Seen::Asked(_)),
        "who is still asked"
    );
    let mut authenticator = gate.enrol(&mut ben);
    let mut second = gate.signed_in("ben");
    crate::support::wait_until("the enrolment to count", || {
        (see(&gate, &mut second, "localhost", "GET", "/") == asked("other")).then_some(())
    });
    gate.step_up(&mut second, &mut authenticator);
    assert_eq!(see(&gate, &mut second, "localhost", "GET", "/"), Served);
}

#[test]
fn allow_is_judged_before_anybody_is_challenged() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: fresh, allow: { groups: [finance], users: [zoe] } }
",
    )
    .user("anna", &["--groups", "staff,finance"])
    .user("ben", &["--groups", "staff"])
    .user("zoe", &[])
    .start();
    for (user, seen) in [
        ("anna", asked("fresh")),
        ("ben", Refused),
        ("zoe", asked("fresh")),
    ] {
        let mut browser = gate.signed_in(user);
        assert_eq!(see(&gate, &mut browser, "localhost", "GET", "/"), seen, "{user}");
    }
}

#[test]
fn every_reading_of_a_query_parameter_counts() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: wiki
    host: localhost
    upstream: $UPSTREAM
    require: signed-in
    rules:
      - { path: /doku.php, query: { do: admin }, require: fresh }
      - { path: /doku.php, query: { debug: true }, require: deny }
      - { path: /doku.php, require: signed-in }
",
    )
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    for (query, seen) in [
        ("", Served),
        ("?do=edit", Served),
        ("?id=do=admin-notes", Served),
        ("?do=administrator", Served),
        ("?do=admin", asked("fresh")),
        ("?id=a&do=admin", asked("fresh")),
        ("?do=admin&do=show", asked("fresh")),
        ("?do=show&do=admin", asked("fresh")),
        ("?d%6f=admin", asked("fresh")),
        ("?do=%61dmin", asked("fresh")),
        ("?%64%6F=%61%64%6d%69%6e", asked("fresh")),
        ("?do[]=admin", asked("fresh")),
        ("?do%5B%5D=admin", asked("fresh")),
        ("?id=x;do=admin", asked("fresh")),
        ("?do=+admin", asked("fresh")),
        ("?do=admin%00", asked("fresh")),
        ("?do=ADMIN", asked("fresh")),
        ("?debug", Refused),
        ("?debug=", Refused),
        ("?debug=0&x", Refused),
        ("?do=admin&debug=1", Refused),
    ] {
        let target = format!("/doku.php{query}");
        let reply = anna.fetch("GET", &gate.url("localhost", &target), None);
        if reply.status == 400 && seen != Served {
            continue; // refused outright is strict enough
        }
        assert_eq!(see(&gate, &mut anna, "localhost", "GET", &target), seen, "{query}");
    }
}

#[test]
fn every_time_means_one_request_alone() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - name: bank
    host: localhost
    upstream: $UPSTREAM
    require: other
    rules: [{ path: /approve/**, require: once, reason: Approve a payment }]
",
    )
    .user("anna", &[])
    .start();
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    let page = gate.url("localhost", "/approve/7");
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/approve/7"), asked("once"));
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/"), Served, "the proof counts elsewhere");

    let there = anna.go_through(&page, "anna", "", Some(&mut authenticator));
    assert_eq!((there.status, there.text().as_str()), (200, "upstream"), "the page asked for, once");
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/approve/7"), asked("once"), "and not twice");
    assert_eq!(see(&gate, &mut anna, "localhost", "GET", "/approve/8"), asked("once"));
}

#[test]
fn an_answer_names_one_level_at_a_time_in_the_words_of_rfc_9470() {
    let upstream = Upstream::start();
    let gate = setup(
        &upstream,
        "
  - { name: app, host: localhost, upstream: $UPSTREAM, require: [fresh, paper] }
",
    )
    .user("anna", &[])
    .start();
    let mut anna = gate.signed_in("anna");
    let reply = anna.fetch("GET", &gate.url("localhost", "/"), None).expect(401);
    let challenge = reply.header("www-authenticate").expect("a challenge").to_owned();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    let problem = reply.json();
    let level = problem["level"].as_str().expect("a level");
    assert!(["fresh", "paper"].contains(&level), "{problem}");
    assert!(challenge.contains(&format!("acr_values=\"{level}\"")), "{challenge}");
    let age = if level == "fresh" { 900 } else { 3600 };
    assert!(challenge.contains(&format!("max_age=\"{age}\"")), "{challenge}");
    for field in [
        "type",
        "title",
        "status",
        "factors",
        "challenge_url",
        "request_id",
    ] {
        assert!(!problem[field].is_null(), "{field} is missing in {problem}");
    }
    let url = problem["challenge_url"].as_str().unwrap();
    assert!(url.starts_with(&gate.portal("")), "an absolute address of the portal: {url}");
}

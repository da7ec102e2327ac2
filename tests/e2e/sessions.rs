//! Sessions and claims (security.md 1.6): one person, one session, one site; sign-out and removal count at once.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;

use crate::support::{Authenticator, Browser, Gate, Setup, Upstream, poll, wait_until};

const HOSTS: [&str; 2] = ["wiki.localhost", "pay.localhost"];

fn setup(upstream: &Upstream) -> Setup {
    Setup::new(
        &"
  - { name: wiki, host: wiki.localhost, upstream: $UPSTREAM, require: standard }
  - { name: pay, host: pay.localhost, upstream: $UPSTREAM, require: standard, rules: [{ path: /strict, require: sensitive }] }
"
        .replace("$UPSTREAM", &upstream.url()),
    )
    .user("anna", &[])
    .user("ben", &[])
}

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    (upstream, gate)
}

fn served(gate: &Gate, browser: &mut Browser, host: &str) -> bool {
    browser.fetch("GET", &gate.url(host, "/x"), None).status == 200
}

/// Signed in, stepped up, and with cookies of both apps.
#[track_caller]
fn everywhere(gate: &Gate, user: &str, authenticator: &mut Authenticator) -> Browser {
    let mut browser = gate.browser();
    for host in HOSTS {
        let page =
            browser.go_through(&gate.url(host, "/start"), user, &Setup::password(user), Some(authenticator));
        assert_eq!(page.text(), "upstream", "{host}: {}", crate::support::text_of(&page.text()));
    }
    browser
}

#[test]
fn one_sign_in_and_one_step_up_serve_two_hosts() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    let page = browser.go_through(
        &gate.url(HOSTS[0], "/start?a=b"),
        "anna",
        &Setup::password("anna"),
        Some(&mut authenticator),
    );
    assert_eq!(page.text(), "upstream");
    assert_eq!(upstream.last().target(), "/start?a=b");
    // The second host: redirects only, nothing to type.
    let page = browser.go(&gate.url(HOSTS[1], "/other"));
    assert_eq!(page.text(), "upstream", "no second question");
    assert_eq!(upstream.last().target(), "/other");
    for field in &browser.seen_cookies {
        let lower = field.to_ascii_lowercase();
        assert!(!lower.contains("domain="), "host-only: {field}");
        assert!(
            lower.contains("httponly") && lower.contains("samesite=lax") && lower.contains("path=/"),
            "{field}"
        );
    }
    assert!(
        upstream.requests().iter().all(|r| !r.target().contains("stepgate")),
        "the hand-off stays with us"
    );
}

#[test]
fn a_hand_off_counts_once_for_its_site() {
    let (_upstream, gate) = scene();
    let (mut anna, _) = gate.enrolled("anna");
    // Follow the way by hand up to the callback of the wiki.
    let mut reply = anna.visit(&gate.url(HOSTS[0], "/x"));
    let mut callback = None;
    for _ in 0..8 {
        let Some(next) = anna.next(&reply) else { break };
        if next.starts_with(&gate.url(HOSTS[0], "/.stepgate/")) {
            callback = Some(next);
            break;
        }
        reply = anna.visit(&next);
    }
    let callback = callback.expect("a callback on the wiki's host");
    let elsewhere = callback.replace(HOSTS[0], HOSTS[1]);
    let mut thief = gate.browser();
    thief.visit(&elsewhere);
    assert!(!served(&gate, &mut thief, HOSTS[1]), "a hand-off for another site");
    assert_eq!(thief.cookie(HOSTS[1], "stepgate-id"), None);
    let mut first = anna.clone();
    first.visit(&callback);
    let mut second = gate.browser();
    second.visit(&callback);
    assert!(!served(&gate, &mut second, HOSTS[0]), "a hand-off counted twice");
}

#[test]
fn sign_out_ends_both_hosts_within_a_second() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = everywhere(&gate, "anna", &mut authenticator);
    let mut stolen = browser.clone();
    for host in HOSTS {
        assert!(served(&gate, &mut stolen, host));
    }
    let reply = browser.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    assert!(reply.status < 400, "{} {}", reply.status, reply.text());
    for host in HOSTS {
        let ended = poll(Duration::from_secs(1), || (!served(&gate, &mut stolen, host)).then_some(()));
        assert!(ended.is_some(), "{host} still open a second after sign-out, with the cookies kept");
    }
    assert!(!served(&gate, &mut browser, HOSTS[0]));
}

#[test]
fn f07_reset_and_removal_from_the_command_line_count_within_a_second() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let (_, mut bens) = gate.enrolled("ben");
    let mut anna = everywhere(&gate, "anna", &mut authenticator);
    let mut ben = everywhere(&gate, "ben", &mut bens);
    gate.setup.command(&["users", "reset", "anna"], "").expect(0);
    for host in HOSTS {
        let ended = poll(Duration::from_secs(1), || (!served(&gate, &mut anna, host)).then_some(()));
        assert!(ended.is_some(), "{host} still open a second after the reset");
        assert!(served(&gate, &mut ben, host), "and nobody else is touched");
    }
}

#[test]
fn a_browser_known_by_its_cookies_is_judged_like_any_other() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut anna = everywhere(&gate, "anna", &mut authenticator);
    let [host, other] = HOSTS;
    for host in HOSTS {
        anna.cookies
            .entry(host.to_owned())
            .or_default()
            .insert("theme".to_owned(), "dark".to_owned());
    }
    for _ in 0..4 {
        for host in HOSTS {
            assert!(served(&gate, &mut anna, host));
            let seen = upstream.last();
            assert_eq!(seen.header("remote-user").as_deref(), Some("anna"));
            assert_eq!(seen.header("cookie").as_deref(), Some("theme=dark"), "the app's own, never ours");
        }
    }
    // The same bytes at another host mean nobody.
    let mut moved = anna.clone();
    moved.cookies.insert(other.to_owned(), anna.cookies[host].clone());
    for _ in 0..3 {
        assert!(!served(&gate, &mut moved, other));
    }
    // Somebody else's end changes nothing, one's own counts, whatever was remembered.
    let (mut ben, _) = gate.enrolled("ben");
    ben.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({}))).expect(200);
    for _ in 0..2 {
        assert!(served(&gate, &mut anna, host));
    }
    let mut elsewhere = anna.clone();
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})))
        .expect(200);
    for host in HOSTS {
        wait_until("the session has ended", || (!served(&gate, &mut elsewhere, host)).then_some(()));
    }
}

#[test]
fn f01_identifiers_are_new_at_each_step_and_never_adopted() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = gate.browser();
    for host in ["localhost", HOSTS[0]] {
        let jar = browser.cookies.entry(host.to_owned()).or_default();
        jar.insert("stepgate-id".into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
    }
    let mut planted = browser.clone();
    let page = browser.go_through(
        &gate.url(HOSTS[0], "/start"),
        "anna",
        &Setup::password("anna"),
        Some(&mut authenticator),
    );
    assert_eq!(page.text(), "upstream");
    for host in ["localhost", HOSTS[0]] {
        assert_ne!(browser.cookie(host, "stepgate-id"), Some("AAAAAAAAAAAAAAAAAAAAAA"), "{host}");
    }
    assert!(!served(&gate, &mut planted, HOSTS[0]));
    let first = gate.signed_in("anna");
    let second = gate.signed_in("anna");
    assert_ne!(first.cookie("localhost", "stepgate-id"), second.cookie("localhost", "stepgate-id"));
    let id = first.cookie("localhost", "stepgate-id").unwrap();
    assert!(id.len() >= 22, "F03: 128 bits or more: {}", id.len());
}

#[test]
fn f02_f04_a_claim_that_was_touched_is_none() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let browser = everywhere(&gate, "anna", &mut authenticator);
    let id = browser.cookie(HOSTS[0], "stepgate-id").unwrap().to_owned();
    let claim = browser.cookie(HOSTS[0], "stepgate").unwrap().to_owned();
    assert_eq!(claim.split('.').count(), 3, "a compact JWS");
    assert!(claim.len() < 1024, "{} bytes", claim.len());
    let ask = |claim: &str| {
        gate.raw()
            .send(format!("GET /x HTTP/1.1\r\nHost: {}\r\nCookie: stepgate-id={id}; stepgate={claim}\r\nConnection: close\r\n\r\n", HOSTS[0]))
            .reply()
            .status
    };
    assert_eq!(ask(&claim), 200);
    for at in (0..claim.len()).step_by(7) {
        let mut bytes = claim.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(bytes).unwrap();
        if touched == claim {
            continue;
        }
        assert_ne!(ask(&touched), 200, "one character at {at}");
        assert_ne!(ask(&claim[..at]), 200, "cut at {at}");
    }
    for touched in [
        format!("{claim}."),
        format!("{claim}A"),
        format!(".{claim}"),
        claim.to_uppercase(),
        forged(r#"{"alg":"none","typ":"stepgate-claim+jwt"}"#, &claim, ""),
        forged(r#"{"alg":"HS256","typ":"stepgate-claim+jwt"}"#, &claim, "AAAA"),
    ] {
        assert_ne!(ask(&touched), 200, "{touched}");
    }
    assert_eq!(ask(&claim), 200, "still the only right one");
}

fn forged(header: &str, claim: &str, signature: &str) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
    format!("{header}.{}.{signature}", claim.split('.').nth(1).unwrap())
}

#[test]
fn f04_an_assertion_is_not_a_claim() {
    let (upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let browser = everywhere(&gate, "anna", &mut authenticator);
    let id = browser.cookie(HOSTS[0], "stepgate-id").unwrap();
    let assertion = upstream.last().header("stepgate-assertion").expect("an assertion");
    let reply = gate
        .raw()
        .send(format!("GET /x HTTP/1.1\r\nHost: {}\r\nCookie: stepgate-id={id}; stepgate={assertion}\r\nConnection: close\r\n\r\n", HOSTS[0]))
        .reply();
    assert_ne!(reply.status, 200);
}

#[test]
fn f10_two_cookies_of_one_name_are_none() {
    let (_upstream, gate) = scene();
    let (_, mut authenticator) = gate.enrolled("anna");
    let browser = everywhere(&gate, "anna", &mut authenticator);
    let id = browser.cookie(HOSTS[0], "stepgate-id").unwrap();
    let claim = browser.cookie(HOSTS[0], "stepgate").unwrap();
    let ask = |cookies: &str| {
        gate.raw()
            .send(format!("GET /x HTTP/1.1\r\nHost: {}\r\n{cookies}Connection: close\r\n\r\n", HOSTS[0]))
            .reply()
            .status
    };
    let fine = format!("Cookie: stepgate-id={id}; stepgate={claim}\r\n");
    assert_eq!(ask(&fine), 200);
    assert_eq!(ask(&format!("Cookie: a=1\r\n{fine}Cookie: b=2\r\n")), 200, "split fields are one list");
    for cookies in [
        format!("Cookie: stepgate-id={id}; stepgate-id={id}; stepgate={claim}\r\n"),
        format!("Cookie: stepgate-id=x; stepgate-id={id}; stepgate={claim}\r\n"),
        format!("Cookie: stepgate-id={id}; stepgate={claim}; stepgate=x\r\n"),
        format!("{fine}Cookie: stepgate-id={id}\r\n"),
        format!("{fine}Cookie: stepgate=x\r\n"),
        format!("Cookie: stepgate-id=\"{id}\"; stepgate={claim}\r\n"),
        format!("Cookie: Stepgate-Id={id}; stepgate={claim}\r\n"),
        format!("Cookie: $Version=1; stepgate-id={id}; $Path=/; stepgate=\"{claim}\"\r\n"),
    ] {
        assert_ne!(ask(&cookies), 200, "{cookies}");
    }
}

#[test]
fn a_session_ends_when_it_is_idle() {
    let upstream = Upstream::start();
    let gate = setup(&upstream)
        .section("sessions", "{ idle_timeout: 2s, absolute_timeout: 1h }")
        .start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = everywhere(&gate, "anna", &mut authenticator);
    for _ in 0..4 {
        poll(Duration::from_millis(900), || None::<()>);
        assert_eq!(browser.visit(&gate.url(HOSTS[0], "/x")).status, 200, "in use");
    }
    poll(Duration::from_secs(4), || None::<()>);
    assert!(!served(&gate, &mut browser, HOSTS[0]), "idle for longer than two seconds");
}

#[test]
fn a_session_ends_at_its_absolute_limit_even_in_use() {
    let upstream = Upstream::start();
    let gate = setup(&upstream)
        .section("sessions", "{ idle_timeout: 4s, absolute_timeout: 4s }")
        .start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = everywhere(&gate, "anna", &mut authenticator);
    wait_until("the absolute limit", || (!served(&gate, &mut browser, HOSTS[0])).then_some(()));
}

#[test]
fn claims_survive_a_restart_and_a_rotation_of_keys() {
    let upstream = Upstream::start();
    let mut gate = setup(&upstream).start();
    let (_, mut authenticator) = gate.enrolled("anna");
    let mut browser = everywhere(&gate, "anna", &mut authenticator);
    gate.kill();
    gate.start_again();
    assert!(served(&gate, &mut browser, HOSTS[0]), "after a restart");
    gate.setup.command(&["keys", "rotate"], "").expect(0);
    wait_until("the new key to be used", || {
        let mut other = gate.signed_in("anna");
        let challenge = other.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
        (challenge.status < 300).then_some(())
    });
    assert!(served(&gate, &mut browser, HOSTS[0]), "old keys verify until their claims have expired");
    gate.kill();
    gate.start_again();
    assert!(served(&gate, &mut browser, HOSTS[0]), "and after a restart too");
    for entry in std::fs::read_dir(gate.setup.path("state")).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others: {mode:o}", entry.path().display());
    }
}

#[test]
fn over_tls_the_cookies_carry_the_host_prefix() {
    let upstream = Upstream::start();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .tls(&["localhost"])
    .user("anna", &[])
    .start();
    let body = json!({ "username": "anna", "password": Setup::password("anna") }).to_string();
    let certificate = gate.setup.path("tls.crt");
    for version in ["--http1.1", "--http2"] {
        let output = crate::support::run(std::process::Command::new("curl").args([
            "-s",
            "-i",
            version,
            "--cacert",
            certificate.to_str().unwrap(),
            "-H",
            "Content-Type: application/json",
            "-d",
            &body,
            &gate.portal("api/v1/sign-in"),
        ]))
        .expect(0)
        .stdout;
        let cookies: Vec<&str> = output
            .lines()
            .filter(|l| l.to_ascii_lowercase().starts_with("set-cookie:"))
            .collect();
        assert!(cookies.iter().any(|c| c.contains("__Host-stepgate-id=")), "{output}");
        for cookie in cookies {
            let lower = cookie.to_ascii_lowercase();
            assert!(cookie.contains("__Host-") && lower.contains("; secure"), "{cookie}");
            assert!(
                lower.contains("httponly")
                    && lower.contains("samesite=lax")
                    && lower.contains("path=/")
                    && !lower.contains("domain="),
                "{cookie}"
            );
        }
        let page = crate::support::run(std::process::Command::new("curl").args([
            "-s",
            "-i",
            version,
            "--cacert",
            certificate.to_str().unwrap(),
            &gate.portal("sign-in"),
        ]))
        .expect(0)
        .stdout;
        assert!(page.to_ascii_lowercase().contains("strict-transport-security"), "{page}");
    }
}

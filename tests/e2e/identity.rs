//! People known by a proxy in front or by a signed token: who is believed, and what it binds.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::support::{Gate, Setup, Upstream, ok, run, unix_now};

fn front(upstream: &Upstream, from: &str) -> Gate {
    let routes = format!(
        "- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: \
         [{{ path: /sure/**, require: standard }}, {{ path: /open/**, require: public }}] }}",
        upstream.url()
    );
    let identity = format!(
        "[{{ name: front, type: trusted-header, from: [{from}], session: X-Session, \
         attributes: {{ user: X-Remote-User, groups: X-Remote-Groups }} }}]"
    );
    Setup::new(&routes).section("identity", &identity).start()
}

#[test]
fn b01_a_listed_proxy_says_who_it_is_and_nobody_else() {
    let upstream = Upstream::start();
    let gate = front(&upstream, "127.0.0.1");
    let mut anna = gate.browser();
    anna.extra = vec![
        ("X-Remote-User".into(), "Anna".into()),
        ("X-Remote-Groups".into(), "hr".into()),
    ];
    anna.fetch("GET", &gate.url("localhost", "/page"), None).expect(200);
    let seen = upstream.last();
    assert_eq!(seen.twins("remote-user"), ["anna"]);
    assert_eq!(seen.twins("remote-groups"), ["hr"]);
    assert!(seen.twins("x-remote-user").is_empty(), "the proxy's own header is not passed on");

    // The same header from an address that is not listed is nothing, and does not reach the app either.
    let mut stranger = anna.clone();
    stranger.from = Some("127.0.0.2".parse().unwrap());
    upstream.take();
    stranger.fetch("GET", &gate.url("localhost", "/page"), None).expect(401);
    assert!(upstream.take().is_empty());
    stranger.fetch("GET", &gate.url("localhost", "/open/x"), None).expect(200);
    let seen = upstream.last();
    assert!(seen.twins("x-remote-user").is_empty() && seen.twins("remote-user").is_empty());
}

#[test]
fn b04_two_identities_are_refused() {
    let upstream = Upstream::start();
    let gate = front(&upstream, "127.0.0.1");
    let mut both = gate.browser();
    both.extra = vec![
        ("X-Remote-User".into(), "anna".into()),
        ("X-Remote-User".into(), "ben".into()),
    ];
    both.fetch("GET", &gate.url("localhost", "/page"), None).expect(400);
    let mut joined = gate.browser();
    joined.extra = vec![("X-Remote-User".into(), "anna@a@b".into())];
    joined.fetch("GET", &gate.url("localhost", "/page"), None).expect(400);
    assert!(upstream.take().is_empty());
}

#[test]
fn f08_a_claim_holds_for_one_person_in_one_session_of_the_proxy() {
    let upstream = Upstream::start();
    let gate = front(&upstream, "127.0.0.1");
    let mut anna = gate.browser();
    let as_in = |user: &str, session: &str| {
        vec![
            ("X-Remote-User".to_owned(), user.to_owned()),
            ("X-Session".to_owned(), session.to_owned()),
        ]
    };
    anna.extra = as_in("anna", "one");
    gate.enrol(&mut anna);
    let sure = gate.url("localhost", "/sure/x");
    anna.fetch("GET", &sure, None).expect(200);
    for (user, session) in [("anna", "two"), ("ben", "one"), ("anna", "")] {
        let mut moved = anna.clone();
        moved.extra = as_in(user, session);
        moved.fetch("GET", &sure, None).expect(401);
    }
    anna.fetch("GET", &sure, None).expect(200);
    // Signing out ends the claim although the session is the proxy's.
    let kept = anna.clone();
    anna.fetch("POST", &gate.portal("api/v1/sign-out"), Some(&json!({})));
    let mut thief = kept;
    thief.fetch("GET", &sure, None).expect(401);
}

/// An issuer with an RSA key, made and used by openssl.
pub(super) struct Issuer {
    directory: tempfile::TempDir,
}

impl Issuer {
    pub(super) fn new() -> Self {
        let issuer = Self { directory: tempfile::tempdir().unwrap() };
        issuer.make("one");
        issuer
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    pub(super) fn make(&self, key: &str) {
        let private = self.path(key);
        run(Command::new("openssl").args(["genrsa", "-out", &private, "2048"])).expect(0);
        let public = self.path(&format!("{key}.pub"));
        run(Command::new("openssl").args(["rsa", "-in", &private, "-pubout", "-out", &public])).expect(0);
    }

    pub(super) fn public(&self, key: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap()
    }

    pub(super) fn jwks(&self, keys: &[&str]) -> String {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| {
                let shown = run(Command::new("openssl").args(["rsa", "-in", &self.path(key), "-noout", "-modulus"])).expect(0);
                let hex = shown.stdout.trim().trim_start_matches("Modulus=").to_owned();
                let modulus: Vec<u8> =
                    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key, "n": BASE64.encode(modulus), "e": "AQAB" })
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }

    pub(super) fn sign(&self, key: &str, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        std::fs::write(self.path("text"), &signed).unwrap();
        let signature = self.path("signature");
        run(Command::new("openssl").args([
            "dgst",
            "-sha256",
            "-sign",
            &self.path(key),
            "-out",
            &signature,
            &self.path("text"),
        ]))
        .expect(0);
        format!("{signed}.{}", BASE64.encode(std::fs::read(signature).unwrap()))
    }

    pub(super) fn token(&self, key: &str, user: &str) -> String {
        self.sign(key, &json!({ "alg": "RS256", "typ": "JWT", "kid": key }), &claims(user))
    }
}

pub(super) fn claims(user: &str) -> Value {
    json!({
        "iss": "https://sso.example", "aud": "stepgate", "sub": user, "sid": "s1", "groups": ["hr"],
        "iat": unix_now() - 5, "exp": unix_now() + 600,
    })
}

pub(super) fn by_token(upstream: &Upstream, key: &str) -> Gate {
    let routes = format!(
        "- {{ name: app, host: localhost, upstream: \"{}\", require: signed-in, rules: \
         [{{ path: /sure/**, require: standard }}] }}",
        upstream.url()
    );
    let identity = format!(
        "[{{ name: sso, type: jwt, header: Authorization, algorithm: RS256, {key}, issuer: \"https://sso.example\", \
         audience: stepgate }}]"
    );
    Setup::new(&routes).section("identity", &identity).start()
}

pub(super) fn ask(gate: &Gate, token: &str) -> u16 {
    let mut browser = gate.browser();
    browser.extra = vec![("Authorization".into(), format!("Bearer {token}"))];
    browser.fetch("GET", &gate.url("localhost", "/page"), None).status
}

#[test]
fn f04_a_token_counts_by_the_configured_key_and_algorithm_alone() {
    let upstream = Upstream::start();
    let issuer = Issuer::new();
    issuer.make("other");
    let pem = issuer.public("one").replace('\n', "\\n");
    let gate = by_token(&upstream, &format!("public_key: \"{pem}\""));
    let good = issuer.token("one", "Anna");
    assert_eq!(ask(&gate, &good), 200);
    assert_eq!(upstream.last().twins("remote-user"), ["Anna"]);
    assert_eq!(ask(&gate, &issuer.token("other", "Anna")), 401, "another key");
    let body = good.split('.').nth(1).unwrap();
    let none = format!("{}.{body}.", BASE64.encode(r#"{"alg":"none"}"#));
    assert_eq!(ask(&gate, &none), 401);
    // The public key as an HMAC secret: the classic confusion.
    let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    std::fs::write(issuer.path("text"), format!("{head}.{body}")).unwrap();
    let secret = format!("key:{}", issuer.public("one").trim());
    let (text, hmac) = (issuer.path("text"), issuer.path("hmac"));
    run(Command::new("openssl").args([
        "dgst", "-sha256", "-mac", "HMAC", "-macopt", &secret, "-binary", "-out", &hmac, &text,
    ]))
    .expect(0);
    let confused = format!("{head}.{body}.{}", BASE64.encode(std::fs::read(hmac).unwrap()));
    assert_eq!(ask(&gate, &confused), 401);
    for (name, value) in [
        ("aud", json!("other")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(unix_now() - 1)),
        ("exp", json!("9999999999")),
    ] {
        let mut changed = claims("Anna");
        changed[name] = value.clone();
        let token = issuer.sign("one", &json!({ "alg": "RS256", "kid": "one" }), &changed);
        assert_eq!(ask(&gate, &token), 401, "{name}: {value}");
    }
    let own_key = json!({ "alg": "RS256", "kid": "one", "jku": "http://127.0.0.1:1/jwks" });
    assert_eq!(
        ask(&gate, &issuer.sign("one", &own_key, &claims("Anna"))),
        401,
        "names its own key source"
    );
}

#[test]
fn r22_keys_are_fetched_once_remembered_and_not_asked_for_at_will() {
    let upstream = Upstream::start();
    let issuer = Issuer::new();
    issuer.make("unknown");
    let fetched = Arc::new(AtomicUsize::new(0));
    let (keys, count) = (issuer.jwks(&["one"]), Arc::clone(&fetched));
    let provider = Upstream::answering(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        ok(&keys)
    });
    let gate = by_token(&upstream, &format!("jwks: \"{}/keys\"", provider.url()));
    for user in ["Anna", "Ben", "Cleo"] {
        assert_eq!(ask(&gate, &issuer.token("one", user)), 200);
    }
    for _ in 0..20 {
        assert_eq!(ask(&gate, &issuer.token("unknown", "Anna")), 401, "a key the issuer does not publish");
    }
    assert!(fetched.load(Ordering::SeqCst) <= 2, "fetched {} times", fetched.load(Ordering::SeqCst));
    drop(provider);
    assert_eq!(
        ask(&gate, &issuer.token("one", "Dora")),
        200,
        "known keys count while the provider is away"
    );
}

#[test]
fn r22_without_keys_nobody_is_let_in() {
    let upstream = Upstream::start();
    let issuer = Issuer::new();
    let gate = by_token(&upstream, "jwks: \"http://127.0.0.1:1/keys\"");
    assert_eq!(ask(&gate, &issuer.token("one", "Anna")), 503);
    assert!(upstream.take().is_empty());
}

#[test]
fn a_person_known_by_token_steps_up() {
    let upstream = Upstream::start();
    let issuer = Issuer::new();
    let pem = issuer.public("one").replace('\n', "\\n");
    let gate = by_token(&upstream, &format!("public_key: \"{pem}\""));
    let mut anna = gate.browser();
    anna.extra = vec![("Authorization".into(), format!("Bearer {}", issuer.token("one", "Anna")))];
    let sure = gate.url("localhost", "/sure/x");
    anna.fetch("GET", &sure, None).expect(401);
    gate.enrol(&mut anna);
    anna.fetch("GET", &sure, None).expect(200);
    // Ben's token with Anna's claim is Ben without a proof.
    anna.extra = vec![("Authorization".into(), format!("Bearer {}", issuer.token("one", "Ben")))];
    anna.fetch("GET", &sure, None).expect(401);
}

//! The table's column for signed tokens.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::tokens::{ask, closed, gate, not_the_other_s, sign_out_ends_the_proof, ten};
use crate::support::{Gate, Signer, Upstream, ok, unix_now};

/// An app, and an issuer that answers whatever `says` holds.
struct Scene {
    app: Upstream,
    keys: Upstream,
    says: Arc<Mutex<Vec<u8>>>,
    issuer: Signer,
    gate: Gate,
}

fn scene() -> Scene {
    let issuer = Signer::new("one");
    let says = Arc::new(Mutex::new(ok(issuer.jwks())));
    let answer = Arc::clone(&says);
    let keys = Upstream::answering(move |_| answer.lock().unwrap().clone());
    let app = Upstream::start();
    let gate = gate(&app, &source(&keys.url()));
    Scene { app, keys, says, issuer, gate }
}

fn source(keys: &str) -> String {
    format!(
        "{{ name: sso, type: jwt, header: Authorization, algorithm: ES256, issuer: \"https://sso.example\", \
         audience: stepgate, jwks: \"{keys}/keys\" }}"
    )
}

fn claims(user: &str) -> Value {
    json!({
        "iss": "https://sso.example", "aud": "stepgate", "sub": user, "sid": "s1", "groups": ["hr"],
        "iat": unix_now() - 5, "exp": unix_now() + 600,
    })
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims("anna");
    claims[name] = value;
    claims
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

impl Scene {
    fn ask(&self, token: &str) -> u16 {
        ask(&self.gate, &[("Authorization", &bearer(token))])
    }
}

pub fn unknown_person() {
    let scene = scene();
    assert_eq!(ask(&scene.gate, &[]), 401);
    for claims in [changed("sub", json!("")), changed("sub", json!(null))] {
        assert_eq!(scene.ask(&scene.issuer.token(&claims)), 401, "{claims}");
    }
    assert!(scene.app.take().is_empty());
}

pub fn wrong_credential() {
    let scene = scene();
    let good = scene.issuer.token(&claims("anna"));
    let other = Signer::new("one").token(&claims("anna"));
    let (head, signature) = good.rsplit_once('.').unwrap();
    for token in [
        &other,
        head,
        &format!("{head}."),
        &format!("{head}.{}", signature.to_lowercase()),
        "a.b.c",
        "x",
    ] {
        assert_eq!(scene.ask(token), 401, "{token}");
    }
    assert!(scene.app.take().is_empty());
    assert_eq!(scene.ask(&good), 200);
}

pub fn slow() {
    let app = Upstream::start();
    let silent = Upstream::scripted(|_, stream| {
        let mut byte = [0];
        std::io::Read::read(stream, &mut byte).map(|_| false)
    });
    let gate = gate(&app, &source(&silent.url()));
    let token = bearer(&Signer::new("one").token(&claims("anna")));
    closed(&gate, &app, &[("Authorization", &token)]);
}

pub fn down() {
    let app = Upstream::start();
    let gate = gate(&app, &source("http://127.0.0.1:1"));
    let token = bearer(&Signer::new("one").token(&claims("anna")));
    closed(&gate, &app, &[("Authorization", &token)]);
}

pub fn lies_oversized() {
    let scene = scene();
    *scene.says.lock().unwrap() = ok(format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(300 * 1024)));
    let token = bearer(&scene.issuer.token(&claims("anna")));
    closed(&scene.gate, &scene.app, &[("Authorization", &token)]);
    assert_eq!(scene.ask(&scene.issuer.token(&changed("pad", json!("x".repeat(9000))))), 401);
}

pub fn lies_wrong_type() {
    let scene = scene();
    let good = ok(scene.issuer.jwks());
    for (name, value, status) in [
        ("exp", json!("9999999999"), 401),
        ("iat", json!(null), 401),
        ("aud", json!(["stepgate", 1]), 401),
        ("sub", json!(["anna"]), 401),
        ("cnf", json!(true), 401),
        ("groups", json!(["hr", 7]), 400),
        ("groups", json!({ "hr": true }), 400),
        ("sub", json!("a@b@c"), 400),
    ] {
        let token = scene.issuer.token(&changed(name, value.clone()));
        assert_eq!(scene.ask(&token), status, "{name}={value}");
    }
    assert!(scene.app.take().is_empty());
    for body in ["<html>", "[]", "{\"keys\":{}}"] {
        let app = Upstream::start();
        *scene.says.lock().unwrap() = ok(body);
        let gate = gate(&app, &source(&scene.keys.url()));
        let token = bearer(&scene.issuer.token(&claims("anna")));
        closed(&gate, &app, &[("Authorization", &token)]);
    }
    *scene.says.lock().unwrap() = good;
}

pub fn other_user_mid_session() {
    let scene = scene();
    let (anna, ben) =
        (bearer(&scene.issuer.token(&claims("anna"))), bearer(&scene.issuer.token(&claims("ben"))));
    not_the_other_s(&scene.gate, &[("Authorization", &anna)], &[&[("Authorization", &ben)]]);
}

/// A new key counts as soon as a token names it, also while the old one is still known; one that nobody
/// publishes makes us ask once and no more.
pub fn rotated_keys() {
    let scene = scene();
    assert_eq!(scene.ask(&scene.issuer.token(&claims("anna"))), 200);
    let next = Signer::new("two");
    *scene.says.lock().unwrap() = ok(next.jwks());
    assert_eq!(scene.ask(&next.token(&claims("ben"))), 200);
    assert_eq!(scene.ask(&scene.issuer.token(&claims("cleo"))), 401, "the key that was withdrawn");
    for n in 0..20 {
        assert_eq!(scene.ask(&Signer::new(&format!("made up {n}")).token(&claims("anna"))), 401);
    }
    assert_eq!(scene.keys.take().len(), 2);
}

pub fn clock_skew() {
    let scene = scene();
    for (name, by, status) in [
        ("iat", 45, 200),
        ("iat", 120, 401),
        ("nbf", 45, 200),
        ("nbf", 120, 401),
        ("exp", -1, 401),
    ] {
        let at = i64::try_from(unix_now()).unwrap() + by;
        assert_eq!(scene.ask(&scene.issuer.token(&changed(name, json!(at)))), status, "{name} {by}");
    }
}

pub fn ten_tabs() {
    let scene = scene();
    let token = bearer(&scene.issuer.token(&claims("anna")));
    ten(&scene.gate, &scene.app, &[("Authorization", &token)], "anna");
    assert_eq!(scene.keys.take().len(), 1, "the keys are fetched once");
}

/// The issuer's next session of the same person is another one, and our own sign-out ends the proof.
pub fn log_out_in_one_tab() {
    let scene = scene();
    let first = bearer(&scene.issuer.token(&claims("anna")));
    let second = bearer(&scene.issuer.token(&changed("sid", json!("s2"))));
    not_the_other_s(&scene.gate, &[("Authorization", &first)], &[&[("Authorization", &second)]]);
    let cleo = bearer(&scene.issuer.token(&claims("cleo")));
    sign_out_ends_the_proof(&scene.gate, &[("Authorization", &cleo)]);
}

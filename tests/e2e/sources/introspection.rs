//! The table's column for tokens that their issuer is asked about. The server is the tests' own, after RFC
//! 7662 section 2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::tokens::{ask, closed, gate, not_the_other_s, set, status, ten, with};
use crate::support::{Gate, Recorded, Upstream, ok, unix_now};

type Tokens = Arc<Mutex<BTreeMap<String, Value>>>;

/// An app, and a server that knows these tokens.
struct Scene {
    app: Upstream,
    server: Upstream,
    tokens: Tokens,
    gate: Gate,
}

fn scene(more: &str) -> Scene {
    let tokens = Tokens::default();
    let known = Arc::clone(&tokens);
    let server = Upstream::answering(move |request| answer(request, &known.lock().unwrap()));
    let app = Upstream::start();
    let gate = gate(&app, &source(&server.url(), more));
    Scene { app, server, tokens, gate }
}

fn source(server: &str, more: &str) -> String {
    format!(
        "{{ name: sso, type: introspection, endpoint: \"{server}/introspect\", client_id: gate, \
         client_secret: \"s3cret of the gate\"{more} }}"
    )
}

/// Only to whoever shows the secret, only by POST; of what it does not know it says nothing more.
fn answer(request: &Recorded, known: &BTreeMap<String, Value>) -> Vec<u8> {
    let basic = format!("Basic {}", STANDARD.encode("gate:s3cret+of+the+gate"));
    if request.header("authorization") != Some(basic) || request.line() != "POST /introspect HTTP/1.1" {
        return b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    let form: BTreeMap<_, _> = form_urlencoded::parse(&request.body).into_owned().collect();
    let nothing = json!({ "active": false });
    ok(known.get(&form["token"]).unwrap_or(&nothing).to_string())
}

fn active(user: &str) -> Value {
    json!({ "active": true, "sub": user, "sid": "s1", "exp": unix_now() + 600, "token_type": "Bearer" })
}

impl Scene {
    fn knows(&self, token: &str, answer: Value) {
        self.tokens.lock().unwrap().insert(token.to_owned(), answer);
    }

    fn ask(&self, token: &str) -> u16 {
        ask(&self.gate, &[("Authorization", &format!("Bearer {token}"))])
    }
}

const ANNA: [(&str, &str); 1] = [("Authorization", "Bearer of-anna")];
const BEN: [(&str, &str); 1] = [("Authorization", "Bearer of-ben")];

pub fn unknown_person() {
    let scene = scene("");
    scene.knows("nameless", json!({ "active": true, "exp": unix_now() + 600 }));
    for token in ["nobody", "nameless"] {
        assert_eq!(scene.ask(token), 401);
    }
    assert_eq!(ask(&scene.gate, &[]), 401);
    assert!(scene.app.take().is_empty());
    // Security.md A19: nothing of the request but the token.
    let asked = scene.server.take();
    assert_eq!(asked.len(), 2);
    for request in asked {
        let head = String::from_utf8_lossy(&request.head).to_lowercase();
        assert!(
            !head.contains("cookie") && !head.contains("localhost/page") && !head.contains("sec-fetch"),
            "{head}"
        );
        assert!(request.body.starts_with(b"token="));
    }
}

pub fn wrong_credential() {
    let scene = scene("");
    scene.knows("of-anna", active("anna"));
    assert_eq!(scene.ask("of-anna"), 200);
    for token in ["of-ann", "of-annaa", "OF-ANNA"] {
        assert_eq!(scene.ask(token), 401);
    }
    assert_eq!(ask(&scene.gate, &[("Authorization", "Basic b2YtYW5uYQ==")]), 401);
    assert_eq!(
        ask(&scene.gate, &[("Authorization", "Bearer of-anna"), ("Authorization", "Bearer x")]),
        400
    );
}

pub fn slow() {
    let app = Upstream::start();
    let silent = Upstream::scripted(|_, stream| {
        let mut byte = [0];
        std::io::Read::read(stream, &mut byte).map(|_| false)
    });
    closed(&gate(&app, &source(&silent.url(), "")), &app, &ANNA);
}

/// Away, or one that does not know us.
pub fn down() {
    let app = Upstream::start();
    closed(&gate(&app, &source("http://127.0.0.1:1", "")), &app, &ANNA);
    let scene = scene("");
    let stranger = source(&scene.server.url(), "").replace("s3cret", "other");
    closed(&gate(&app, &stranger), &app, &ANNA);
}

pub fn lies_oversized() {
    let scene = scene("");
    let mut long = active("anna");
    long["pad"] = json!("x".repeat(300 * 1024));
    scene.knows("of-anna", long);
    closed(&scene.gate, &scene.app, &ANNA);
    let mut name = active("anna");
    name["sub"] = json!("x".repeat(257));
    scene.knows("named", name);
    assert_eq!(scene.ask("named"), 400);
    assert_eq!(scene.ask(&"x".repeat(9000)), 401);
}

pub fn lies_wrong_type() {
    let scene = scene(", audience: stepgate");
    let mut good = active("anna");
    good["aud"] = json!(["stepgate"]);
    scene.knows("good", good.clone());
    assert_eq!(scene.ask("good"), 200);
    for (index, (name, value, status)) in [
        ("active", json!("true"), 401),
        ("active", json!(1), 401),
        ("active", json!(null), 401),
        ("exp", json!("9999999999"), 401),
        ("aud", json!(["stepgate", 1]), 401),
        ("aud", json!("other"), 401),
        ("sub", json!(7), 401),
        ("cnf", json!({ "jkt": "x" }), 401),
        ("groups", json!([1]), 400),
    ]
    .into_iter()
    .enumerate()
    {
        let mut changed = good.clone();
        changed[name] = value.clone();
        scene.knows(&format!("token-{index}"), changed);
        assert_eq!(scene.ask(&format!("token-{index}")), status, "{name}={value}");
    }
    scene.knows("of-anna", json!("active"));
    scene.app.take();
    closed(&scene.gate, &scene.app, &ANNA);
}

/// Another token, and the same token of which the server suddenly says something else.
pub fn other_user_mid_session() {
    let scene = scene(", remember: 0s");
    scene.knows("of-anna", active("anna"));
    scene.knows("of-ben", active("ben"));
    not_the_other_s(&scene.gate, &ANNA, &[&BEN]);
    let mut browser = with(&scene.gate, &BEN);
    scene.gate.enrol(&mut browser);
    assert_eq!(status(&scene.gate, &mut browser, "/sure/x"), 200);
    scene.knows("of-ben", active("cleo"));
    assert_eq!(status(&scene.gate, &mut browser, "/sure/x"), 401);
    scene.app.take();
    assert_eq!(status(&scene.gate, &mut browser, "/page"), 200);
    assert_eq!(scene.app.last().twins("remote-user"), ["cleo"]);
}

pub fn clock_skew() {
    let scene = scene("");
    for (name, by, status) in [
        ("iat", 45, 200),
        ("iat", 120, 401),
        ("nbf", 120, 401),
        ("exp", -1, 401),
    ] {
        let mut said = active("anna");
        said[name] = json!(i64::try_from(unix_now()).unwrap() + by);
        let token = format!("{name}{by}");
        scene.knows(&token, said);
        assert_eq!(scene.ask(&token), status, "{name} {by}");
    }
}

pub fn ten_tabs() {
    let scene = scene("");
    scene.knows("of-anna", active("anna"));
    ten(&scene.gate, &scene.app, &ANNA, "anna");
    assert_eq!(scene.server.take().len(), 1, "one question for all");
}

/// The token is revoked, and with it goes the proof.
pub fn log_out_in_one_tab() {
    let scene = scene(", remember: 0s");
    scene.knows("of-anna", active("anna"));
    let mut browser = with(&scene.gate, &ANNA);
    scene.gate.enrol(&mut browser);
    assert_eq!(status(&scene.gate, &mut browser, "/sure/x"), 200);
    scene.knows("of-anna", json!({ "active": false }));
    scene.app.take();
    for path in ["/sure/x", "/page"] {
        assert_eq!(status(&scene.gate, &mut browser, path), 401);
    }
    assert!(scene.app.take().is_empty());
    let mut next = active("anna");
    next["sid"] = json!("s2");
    scene.knows("next", next);
    set(&mut browser, &[("Authorization", "Bearer next")]);
    assert_eq!(status(&scene.gate, &mut browser, "/sure/x"), 401, "another session of the same person");
    assert_eq!(status(&scene.gate, &mut browser, "/page"), 200);
}

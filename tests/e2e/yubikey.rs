//! YubiKey passwords against a validation server that Yubico's own client believes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Browser, Gate, Setup, Upstream, peers_python, run};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/yubikey.py");
const CLIENT: &str = "87";
const KEY: &str = "mG5be6ZJU1qBGz24yPh/ESM3UdU=";
/// Two keys, by their public ids.
const ONE: &str = "ccccccccccbd";
const OTHER: &str = "ccccccccccbe";

/// The server; ends with its standard input.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub fn start() -> Self {
        let mut child = Command::new(peers_python())
            .args([PEER, "serve", CLIENT, KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Self { child, port: u16::try_from(said["port"].as_u64().unwrap()).unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn url(&self, path: &str) -> String {
        format!("\"http://127.0.0.1:{}/{path}\"", self.port)
    }

    /// The section of the configuration that names it.
    pub fn factors(&self, paths: &[&str]) -> String {
        let servers: Vec<String> = paths.iter().map(|path| self.url(path)).collect();
        format!(
            "\n  yubikey: {{ enabled: true, client_id: {CLIENT}, api_key: \"{KEY}\", servers: [{}] }}",
            servers.join(", ")
        )
    }

    fn gate(&self, paths: &[&str]) -> (Upstream, Gate) {
        let upstream = Upstream::start();
        let factors = self.factors(paths);
        let routes = format!(
            "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
            upstream.url()
        );
        let setup = Setup::new(&routes).section("factors", &factors);
        (upstream, setup.user("anna", &[]).user("ben", &[]).start())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the key types when it is touched.
pub fn touch(key: &str, session: u16, times: u8) -> String {
    let arguments = [PEER, "touch", key, &session.to_string(), &times.to_string()];
    let typed = run(Command::new(peers_python()).args(arguments)).expect(0);
    typed.stdout.trim().to_owned()
}

fn enrol(gate: &Gate, browser: &mut Browser, typed: &str) -> (u16, Value) {
    let begun =
        browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "yubikey" })));
    assert!(begun.status < 300, "{} {}", begun.status, begun.text());
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let url = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let reply = browser.fetch("POST", &url, Some(&json!({ "code": typed })));
    (reply.status, reply.json())
}

fn served(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.url("localhost", "/x"), None).status == 200
}

#[test]
fn the_fake_server_is_one_that_yubicos_own_client_believes() {
    let server = Server::start();
    let arguments = [PEER, "prove", &server.port.to_string(), CLIENT, KEY];
    let proved = run(Command::new(peers_python()).args(arguments)).expect(0);
    let proved: Value = serde_json::from_str(&proved.stdout).unwrap();
    assert_eq!(
        proved,
        json!({
            "right": true,
            "replayed": "StatusCodeError",
            "next": true,
            "earlier": "StatusCodeError",
            "wrong": "NO_VALID_ANSWERS",
            "forged": "SignatureVerificationError",
        })
    );
}

#[test]
fn a_key_proves_once_per_touch_and_belongs_to_one_person() {
    let server = Server::start();
    let (_upstream, gate) = server.gate(&["verify"]);
    let mut anna = gate.signed_in("anna");
    let first = touch(ONE, 1, 1);
    assert_eq!(enrol(&gate, &mut anna, &first).0, 200);
    assert!(served(&gate, &mut anna));

    let mut again = gate.signed_in("anna");
    let challenge = gate.challenge(&mut again);
    let refused = gate.answer(&mut again, &challenge, "yubikey", &first);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (422, Some("code_used")));
    let foreign = gate.answer(&mut again, &challenge, "yubikey", &touch(OTHER, 1, 1));
    assert_eq!(foreign.status, 422, "another key, though its password is right");
    assert!(!served(&gate, &mut again));
    let typed = touch(ONE, 2, 0).to_uppercase();
    assert_eq!(gate.answer(&mut again, &challenge, "yubikey", &typed).status, 200);
    assert!(served(&gate, &mut again));

    let mut page = gate.signed_in("anna");
    let shown = page.go(&gate.url("localhost", "/x")).text();
    assert!(shown.contains("Put the cursor in the field and touch “YubiKey”."), "{shown}");
    let settings = again.go(&gate.portal("my-mfa")).text();
    assert!(settings.contains("serial 18"), "the number on the key: {settings}");

    let mut ben = gate.signed_in("ben");
    let (status, taken) = enrol(&gate, &mut ben, &touch(ONE, 3, 0));
    assert_eq!((status, taken["code"].as_str()), (409, Some("taken")), "{taken}");
    assert_eq!(enrol(&gate, &mut ben, &touch(OTHER, 4, 0)).0, 200);
}

#[test]
fn the_first_server_that_decides_decides_and_no_forgery_does() {
    let server = Server::start();
    let (_upstream, gate) = server.gate(&["forged", "echo", "silent", "broken", "behind", "verify"]);
    let mut anna = gate.signed_in("anna");
    let mut wrong = touch(ONE, 1, 1);
    wrong.replace_range(43.., if wrong.ends_with('c') { "b" } else { "c" });
    let (status, refused) = enrol(&gate, &mut anna, &wrong);
    assert_eq!(
        (status, refused["code"].as_str()),
        (422, Some("code_wrong")),
        "two say yes, and lie: {refused}"
    );
    assert_eq!(enrol(&gate, &mut anna, &touch(ONE, 1, 1)).0, 200);

    let (_upstream, forged) = server.gate(&["forged", "echo", "broken"]);
    let mut ben = forged.signed_in("ben");
    let (status, away) = enrol(&forged, &mut ben, &touch(OTHER, 1, 1));
    assert_eq!((status, away["code"].as_str()), (503, Some("service_unavailable")), "{away}");
    assert!(!served(&forged, &mut ben));
}

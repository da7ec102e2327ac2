//! RADIUS against Debian's FreeRADIUS: accept, reject, challenge, servers that are old, dead, stopped or not
//! ours.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Browser, Form, Gate, Setup, Upstream, poll, wait_until};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/freeradius.conf");
const SECRET: &str = "a secret between the two";
const PROTECT: &str = "update reply {\n Message-Authenticator := 0x00\n }";

/// A FreeRADIUS of its own; ends with the test.
pub struct Server {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    /// `protects`: whether replies carry a Message-Authenticator, which Debian 12's do not by themselves.
    pub fn start(protects: bool) -> Self {
        poll(Duration::from_secs(60), || Self::try_start(protects)).expect("FreeRADIUS starts")
    }

    /// `None` when somebody else took the port meanwhile.
    fn try_start(protects: bool) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = std::fs::read_to_string(CONFIGURATION)
            .unwrap()
            .replace("$DIR", &directory.path().to_string_lossy())
            .replace("$PORT", &port.to_string())
            .replace("$SECRET", SECRET)
            .replace("$PROTECT", if protects { PROTECT } else { "" });
        std::fs::write(directory.path().join("radiusd.conf"), text).unwrap();
        let log = directory.path().join("log");
        let mut child = Command::new("freeradius")
            .args(["-f", "-n", "radiusd", "-l", "stdout", "-d"])
            .arg(directory.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until("FreeRADIUS is ready or gone", || {
            (said().contains("Ready to process") || child.try_wait().unwrap().is_some()).then_some(())
        });
        if child.try_wait().unwrap().is_some() {
            assert!(said().contains("Failed binding"), "{}", said());
            return None;
        }
        Some(Self { child, port, _directory: directory })
    }

    /// The section of the configuration that names it alone.
    pub fn factors(&self) -> String {
        format!(
            "{{ radius: {{ enabled: true, label: Company token, servers: [{{ address: \"127.0.0.1:{}\", secret: \"{SECRET}\" }}] }} }}",
            self.port
        )
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn gate(servers: &[(u16, &str)], more: &str) -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let servers: Vec<String> = servers
        .iter()
        .map(|(port, secret)| format!("{{ address: \"127.0.0.1:{port}\", secret: \"{secret}\" }}"))
        .collect();
    let factors = format!(
        "\n  radius: {{ enabled: true, label: Company token, servers: [{}]{more} }}",
        servers.join(", ")
    );
    let routes = format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    );
    let setup = Setup::new(&routes).section("factors", &factors);
    (upstream, setup.user("anna", &[]).user("ben", &[]).start())
}

/// Begins an enrolment; returns its id.
fn begin(gate: &Gate, browser: &mut Browser) -> String {
    let begun =
        browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "radius" })));
    assert!(begun.status < 300, "{} {}", begun.status, begun.text());
    begun.json()["id"].as_str().unwrap().to_owned()
}

fn confirm(gate: &Gate, browser: &mut Browser, id: &str, code: &str) -> (u16, Value) {
    let url = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let reply = browser.fetch("POST", &url, Some(&json!({ "code": code })));
    (reply.status, reply.json())
}

fn served(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.url("localhost", "/x"), None).status == 200
}

#[test]
fn the_server_judges_and_its_no_counts() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], "");
    let mut anna = gate.signed_in("anna");
    let id = begin(&gate, &mut anna);
    let (status, wrong) = confirm(&gate, &mut anna, &id, "123456");
    assert_eq!((status, wrong["code"].as_str()), (422, Some("code_wrong")), "{wrong}");
    assert_eq!(confirm(&gate, &mut anna, &id, "900001").0, 200);
    assert!(served(&gate, &mut anna), "enrolling proves it");

    let mut again = gate.signed_in("anna");
    let challenge = gate.challenge(&mut again);
    assert_eq!(challenge["ways"][0]["name"], "Company token");
    assert_eq!(gate.answer(&mut again, &challenge, "radius", "123456").status, 422);
    let log = gate.log();
    assert!(log.contains("Nobody here has …"), "the operator reads why: {log}");
    assert!(!log.contains("123456"), "and no code");
    assert!(!served(&gate, &mut again));
    assert_eq!(gate.answer(&mut again, &challenge, "radius", " 900002 ").status, 200);
    assert!(served(&gate, &mut again));
    // Wrong answers of this factor lock like those of any other.
    let mut guessing = gate.signed_in("anna");
    let challenge = gate.challenge(&mut guessing);
    let last = (0..6)
        .map(|_| gate.answer(&mut guessing, &challenge, "radius", "000000").status)
        .last();
    assert_eq!(last, Some(429));
}

#[test]
fn a_challenge_is_asked_again_on_the_page_with_the_servers_words() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], "");
    let mut ben = gate.signed_in("ben");
    let id = begin(&gate, &mut ben);
    let (status, again) = confirm(&gate, &mut ben, &id, "my PIN");
    assert_eq!((status, again["code"].as_str()), (409, Some("asked_again")), "{again}");
    assert_eq!(confirm(&gate, &mut ben, &id, "246810").0, 200);

    let mut page = gate.browser();
    let reply = page.go(&gate.url("localhost", "/x"));
    let sign_in = Form::sign_in(&reply.text()).unwrap().fill("username", "ben");
    let reply = page.submit(&sign_in.fill("password", &Setup::password("ben")));
    let reply = page.settle(reply);
    assert!(reply.text().contains("Enter the code of “Company token”."), "{}", reply.text());
    let reply = page.submit(&Form::code(&reply.text()).unwrap().fill("code", "my PIN"));
    let reply = page.settle(reply);
    assert!(reply.text().contains("Enter the code we sent to your phone"), "{}", reply.text());
    assert!(reply.text().contains("What is asked for above"), "{}", reply.text());
    let reply = page.submit(&Form::code(&reply.text()).unwrap().fill("code", "246810"));
    page.settle(reply);
    assert!(served(&gate, &mut page));
    assert_eq!(gate.audit("challenge.answered").len(), 2, "the question and its answer");
}

#[test]
fn questions_without_end_lock_like_wrong_answers() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], "");
    let mut ben = gate.signed_in("ben");
    let id = begin(&gate, &mut ben);
    assert_eq!(confirm(&gate, &mut ben, &id, "my PIN").0, 409);
    assert_eq!(confirm(&gate, &mut ben, &id, "246810").0, 200);
    let ask = || {
        let mut browser = gate.signed_in("ben");
        let challenge = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
        if challenge.status >= 400 {
            return challenge.status;
        }
        gate.answer(&mut browser, &challenge.json(), "radius", "my PIN").status
    };
    let statuses: Vec<u16> = (0..8).map(|_| ask()).collect();
    assert_eq!(statuses.first(), Some(&409));
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[test]
fn a_reply_without_message_authenticator_is_no_reply_unless_the_operator_says_so() {
    let old = Server::start(false);
    let (_upstream, strict) = gate(&[(old.port, SECRET)], ", timeout: 1s");
    let mut anna = strict.signed_in("anna");
    let id = begin(&strict, &mut anna);
    let (status, away) = confirm(&strict, &mut anna, &id, "900001");
    assert_eq!((status, away["code"].as_str()), (503, Some("service_unavailable")), "{away}");
    assert!(strict.log().contains("Message-Authenticator"), "the operator learns why");

    let (_upstream, lax) = gate(&[(old.port, SECRET)], ", message_authenticator: server-is-old");
    let mut anna = lax.signed_in("anna");
    let id = begin(&lax, &mut anna);
    assert_eq!(confirm(&lax, &mut anna, &id, "900001").0, 200);
}

#[test]
fn a_wrong_shared_secret_is_silence_which_may_hide_a_judgement_and_is_counted() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, "quite another secret")], ", timeout: 1s");
    let mut anna = gate.signed_in("anna");
    let id = begin(&gate, &mut anna);
    let statuses: Vec<u16> = (0..6).map(|_| confirm(&gate, &mut anna, &id, "900001").0).collect();
    assert_eq!(statuses.first(), Some(&503), "never a yes");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert!(!served(&gate, &mut anna));
}

#[test]
fn a_dead_server_gives_way_to_the_next() {
    let (dead, server) = (free_port(), Server::start(true));
    let (_upstream, gate) = gate(&[(dead, SECRET), (server.port, SECRET)], ", timeout: 20s");
    let mut anna = gate.signed_in("anna");
    let id = begin(&gate, &mut anna);
    assert_eq!(confirm(&gate, &mut anna, &id, "900001").0, 200);
}

#[test]
fn a_slow_server_is_waited_for_and_judges_once() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], ", timeout: 60s");
    let mut anna = gate.signed_in("anna");
    let id = begin(&gate, &mut anna);
    server.signal("STOP");
    let (status, _) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| confirm(&gate, &mut anna, &id, "900001"));
        // The kernel holds what is sent meanwhile; it goes on once the packet was sent again.
        let once = wait_until("the packet is there", || Some(queued(server.port)).filter(|held| *held > 0));
        wait_until("it was sent again", || (queued(server.port) > once).then_some(()));
        server.signal("CONT");
        asked.join().unwrap()
    });
    assert_eq!(status, 200);
    assert_eq!(gate.audit("enrolment.confirmed").len(), 1);
}

#[test]
#[ignore = "slow: a push is answered after three quarters of a minute"]
fn a_push_may_take_most_of_a_minute_and_the_button_pressed_again_asks_nobody_twice() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], ", timeout: 60s");
    let mut anna = gate.signed_in("anna");
    let id = begin(&gate, &mut anna);
    assert_eq!(confirm(&gate, &mut anna, &id, "900001").0, 200);

    let mut page = gate.signed_in("anna");
    page.patience = Duration::from_secs(100);
    let shown = page.go(&gate.url("localhost", "/x")).text();
    let form = Form::code(&shown).unwrap().fill("code", "900002");
    server.signal("STOP");
    let texts = std::thread::scope(|scope| {
        let press = || {
            let (mut page, form) = (page.clone(), &form);
            scope.spawn(move || page.submit(form).text())
        };
        let first = press();
        wait_until("the server was asked", || (queued(server.port) > 0).then_some(()));
        let second = press();
        let early = || (first.is_finished() || second.is_finished()).then_some(());
        assert_eq!(poll(Duration::from_secs(45), early), None, "a person may take that long");
        server.signal("CONT");
        [first.join().unwrap(), second.join().unwrap()]
    });
    for text in texts {
        assert!(text.contains("You&#39;re confirmed"), "{text}");
    }
    let passed = gate.audit("challenge.answered");
    assert_eq!(passed.len(), 1, "{passed:?}");
}

/// Bytes that wait at the server's port.
fn queued(port: u16) -> usize {
    let wanted = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let own = |line: &&str| line.split_whitespace().nth(1) == Some(wanted.as_str());
    let line = table.lines().find(own).unwrap_or_default();
    let held = line.split_whitespace().nth(4).and_then(|queues| queues.split(':').nth(1));
    usize::from_str_radix(held.unwrap_or("0"), 16).unwrap_or(0)
}

#[test]
fn check_connect_tells_whether_the_servers_answer() {
    let server = Server::start(true);
    let (_upstream, gate) = gate(&[(server.port, SECRET)], ", timeout: 5s");
    gate.setup.command(&["check", "--connect"], "").expect(0);
    drop(server);
    let said = gate.setup.command(&["check", "--connect"], "").expect(69);
    let said = said.stdout + &said.stderr;
    assert!(said.contains("radius"), "{said}");
}

//! Texts through an SMS centre, npm's `smpp`: what goes over the wire, what is refused, and a connection
//! that comes back.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Browser, Gate, Reply, Setup, wait_until, write_private};

/// An SMS centre that runs; killed when dropped.
pub struct Centre {
    child: Child,
    port: u16,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Centre {
    /// `tests/run` installs what it needs.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With key and certificate, for TLS.
    fn with(files: &[PathBuf]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/node/smsc.js");
        let mut child = Command::new("node")
            .arg(script)
            .args(files)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        let port = u16::try_from(first["port"].as_u64().expect("a port")).expect("a port");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap_or_default());
            }
        });
        Self { child, port, told }
    }

    /// The keys of a sender that reaches it.
    pub fn keys(&self, password: &str) -> String {
        format!(
            "host: 127.0.0.1, port: {}, security: none, system_id: stepgate, password: {password}, \
             from: Example, timeout: 3s",
            self.port
        )
    }

    /// What it was told that has this key, in order.
    pub fn told(&self, key: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|one| !one[key].is_null()).cloned().collect()
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gate(centre: &Centre, password: &str) -> Gate {
    let senders = format!("\n  centre: {{ type: smpp, {} }}\n", centre.keys(password));
    Setup::new("\n  - { name: app, host: localhost, upstream: \"http://127.0.0.1:9\", require: standard }\n")
        .section("senders", &senders)
        .section("factors", "{ sms: { enabled: true, countries: [GB] } }")
        .section("branding", "{ name: Example }")
        .user("anna", &[])
        .user("ben", &[])
        .start()
}

fn begin(gate: &Gate, browser: &mut Browser, number: &str) -> Reply {
    let body = json!({ "factor": "sms", "number": number });
    browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&body))
}

#[test]
fn a_text_over_smpp_is_what_the_standard_says() {
    let centre = Centre::start();
    let gate = gate(&centre, "hushhush");
    let mut anna = gate.signed_in("anna");
    let begun = begin(&gate, &mut anna, "07400 123456");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let bind = wait_until("a bind", || centre.told("bind").first().cloned());
    assert_eq!((&bind["bind"], &bind["version"]), (&json!("stepgate"), &json!(0x34)));
    let text = wait_until("a text", || centre.told("to").first().cloned());
    assert_eq!(text["to"], "447400123456");
    assert_eq!((&text["to_kind"], &text["from_kind"]), (&json!([1, 1]), &json!([5, 0])));
    assert_eq!((&text["from"], &text["data_coding"]), (&json!("Example"), &json!(0)));
    assert_eq!((&text["esm_class"], &text["registered_delivery"]), (&json!(0), &json!(1)));
    assert!(text["lives"].as_i64().is_some_and(|lives| (290..=300).contains(&lives)), "{text}");
    let said = text["text"].as_str().unwrap();
    let code = &said[..8];
    assert!(said.ends_with(&format!("\n\n@localhost #{code}")), "{said}");
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let url = gate.portal(&format!("api/v1/enrolments/{id}/confirm"));
    let done = anna.fetch("POST", &url, Some(&json!({ "code": code })));
    assert!(done.status < 300, "{}", done.text());
    wait_until("the receipt's answer", || centre.told("receipt_answered").first().cloned());
    let line = r#"stepgate_receipts_total{sender="centre",outcome="delivered",reason="none"} 1"#;
    wait_until("the receipt's count", || gate.operations("/metrics").text().contains(line).then_some(()));
    assert!(!gate.log().contains(code), "the code is logged");
}

#[test]
fn what_the_centre_refuses_is_told_in_few_words_and_costs_no_try() {
    let centre = Centre::start();
    let gate = gate(&centre, "hushhush");
    let mut anna = gate.signed_in("anna");
    for (number, reason) in [
        ("07400 120011", "invalid_destination"),
        ("07400 120014", "throttled"),
        ("07400 120058", "throttled"),
        ("07400 120008", "unavailable"),
    ] {
        let reply = begin(&gate, &mut anna, number);
        assert!(reply.status >= 400, "{number}: {}", reply.text());
        assert!(reply.text().contains(reason), "{number}: {}", reply.text());
    }
    assert_eq!(gate.sql("SELECT COUNT(*) FROM sends").trim(), "0", "what was refused is not counted");
    assert_eq!(centre.told("bind").len(), 1, "one connection for all of them");
}

#[test]
fn a_connection_that_broke_is_made_again_and_nothing_is_sent_twice() {
    let centre = Centre::start();
    let gate = gate(&centre, "hushhush");
    let mut anna = gate.signed_in("anna");
    let broken = begin(&gate, &mut anna, "07400 129998");
    assert!(broken.status >= 400, "{}", broken.text());
    assert_eq!(centre.told("to").len(), 1, "it may have been sent: never again by itself");
    let mut ben = gate.signed_in("ben");
    let begun = begin(&gate, &mut ben, "07400 123456");
    assert_eq!(begun.status, 201, "{}", begun.text());
    assert_eq!(centre.told("bind").len(), 2);
}

#[test]
fn a_wrong_password_is_the_operator_s_to_mend() {
    let centre = Centre::start();
    let gate = gate(&centre, "wrong");
    let mut anna = gate.signed_in("anna");
    let reply = begin(&gate, &mut anna, "07400 123456");
    assert!(reply.status >= 400 && reply.text().contains("misconfigured"), "{}", reply.text());
    wait_until("a warning for the operator", || {
        gate.log().contains("a message was not sent").then_some(())
    });
    assert!(centre.told("to").is_empty());
}

#[test]
fn a_receipt_without_words_is_read_and_a_failure_is_told_to_the_operator() {
    let centre = Centre::start();
    let gate = gate(&centre, "hushhush");
    let begun = begin(&gate, &mut gate.signed_in("anna"), "07400 129995");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let line = r#"stepgate_receipts_total{sender="centre",outcome="failed",reason="unavailable"} 1"#;
    wait_until("the receipt's count", || gate.operations("/metrics").text().contains(line).then_some(()));
    let log = gate.log();
    assert!(log.contains("a text did not arrive") && !log.contains("7400129995"), "{log}");
}

#[test]
fn a_connection_that_the_centre_closes_is_made_again_without_anybody_noticing() {
    let centre = Centre::start();
    let gate = gate(&centre, "hushhush");
    let begun = begin(&gate, &mut gate.signed_in("anna"), "07400 129996");
    assert_eq!(begun.status, 201, "{}", begun.text());
    wait_until("the end of the connection", || {
        gate.log().contains("the connection to the SMS centre has ended").then_some(())
    });
    let begun = begin(&gate, &mut gate.signed_in("ben"), "07400 123456");
    assert_eq!(begun.status, 201, "{}", begun.text());
    assert_eq!((centre.told("bind").len(), centre.told("to").len()), (2, 2));
}

#[test]
fn over_tls_the_centre_must_be_who_it_says() {
    let setup = Setup::new("  - { name: app, host: localhost, require: standard }\n");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (key, certificate) = (setup.path("centre.key"), setup.path("centre.crt"));
    write_private(&key, &made.signing_key.serialize_pem());
    std::fs::write(&certificate, made.cert.pem()).expect("writable");
    let centre = Centre::with(&[key, certificate]);
    let test = |keys: &str| {
        let sender = format!(
            "\n  centre: {{ type: smpp, host: localhost, port: {}, system_id: stepgate, password: hushhush, \
             from: Example, timeout: 5s{keys} }}",
            centre.port
        );
        let gate =
            Setup::new("  - { name: app, host: localhost, require: standard }\n").section("senders", &sender);
        gate.command(&["factors", "test", "sms", "--to", "+447400123456"], "")
    };
    let refused = test("");
    assert_eq!(refused.code, Some(69), "an authority that nobody knows: {refused:?}");
    assert!(centre.told("bind").is_empty(), "no password went to it");
    let taken = test(&format!(", authority: \"{}\"", setup.path("centre.crt").display()));
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert_eq!(centre.told("to").len(), 1);
}

//! A power cut at any moment: nothing acknowledged is lost, nothing used counts twice.
//!
//! Each round starts an act in one thread and kills the gate the hard way a little later in another; then it
//! starts the gate again and compares what was acknowledged with what is there.

use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Authenticator, Browser, Gate, Setup, Upstream, poll, read_reply};

/// How long after the act begins the gate is killed: from at once to long after.
const MOMENTS: [u64; 10] = [0, 1, 2, 4, 6, 9, 13, 20, 35, 80];

fn scene() -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    ))
    .user("anna", &[])
    .start();
    (upstream, gate)
}

/// Posts JSON; `None` when the connection died before a whole answer was there.
fn post(address: SocketAddr, cookies: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream
        .write_all(
            format!(
                "POST /.stepgate/{path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
        .ok()?;
    let reply = read_reply(&mut BufReader::new(stream), "POST").ok()?;
    Some((reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null)))
}

/// Runs the act while the gate is killed `moment` milliseconds in, and starts the gate again.
fn cut<T: Send>(gate: &mut Gate, moment: u64, act: impl FnOnce(SocketAddr) -> T + Send) -> T {
    let address = gate.address();
    let result = std::thread::scope(|scope| {
        let act = scope.spawn(move || act(address));
        poll(Duration::from_millis(moment), || None::<()>);
        gate.kill();
        act.join().unwrap()
    });
    gate.start_again();
    result
}

fn cookies(browser: &Browser) -> String {
    browser.cookie_header("localhost").unwrap_or_default()
}

fn enrolments(gate: &Gate) -> BTreeSet<String> {
    gate.sql("SELECT id FROM enrolments").lines().map(str::to_owned).collect()
}

/// A challenge of a fresh session, and what answers it for the app of this name.
fn challenge(gate: &Gate, app: &str, code: &str) -> (Browser, String, Value) {
    let mut browser = gate.signed_in("anna");
    let challenge = gate.challenge(&mut browser);
    let way = challenge["ways"]
        .as_array()
        .and_then(|ways| ways.iter().find(|way| way["name"] == app))
        .unwrap_or_else(|| panic!("{app} is none of the ways: {challenge}"));
    let body = json!({ "factor": "totp", "enrolment": way["enrolment"], "code": code });
    let path = format!("api/v1/challenges/{}/answer", challenge["id"].as_str().unwrap_or_default());
    (browser, path, body)
}

fn passes(gate: &Gate, app: &str, code: &str) -> bool {
    let (browser, path, body) = challenge(gate, app, code);
    post(gate.address(), &cookies(&browser), &path, &body).is_some_and(|(status, _)| status < 300)
}

#[test]
fn a_confirmed_enrolment_is_there_and_an_unconfirmed_one_counts_for_nothing() {
    let (_upstream, mut gate) = scene();
    // Sessions and claims live through every cut, so one fresh proof allows every enrolment.
    let mut keeper = gate.signed_in("anna");
    gate.enrol(&mut keeper);
    let mut acknowledged = 0;
    for moment in MOMENTS {
        let begun =
            keeper.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "totp" })));
        let begun = begun.json();
        let key = begun["setup"]["key"].as_str().unwrap_or_else(|| panic!("{begun}"));
        let mut authenticator = Authenticator::new(key);
        let path = format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().unwrap());
        let name = format!("after {moment} ms");
        let body = json!({ "code": authenticator.code(), "name": name });
        let before = enrolments(&gate);
        let jar = cookies(&keeper);
        let told = cut(&mut gate, moment, |address| post(address, &jar, &path, &body));
        let after = enrolments(&gate);
        assert!(after.is_superset(&before), "an older enrolment is gone after {moment} ms");
        let added = after.len() - before.len();
        assert!(added <= 1);
        if told.as_ref().is_some_and(|(status, _)| *status < 300) {
            assert_eq!(added, 1, "acknowledged and lost after {moment} ms");
            acknowledged += 1;
        }
        if added == 1 {
            assert!(!passes(&gate, &name, &authenticator.last()), "the confirming code counted again");
            assert!(passes(&gate, &name, &authenticator.code()), "the next one does");
        }
    }
    assert!(acknowledged > 0, "no round got as far as an acknowledgement: the moments are too early");
}

#[test]
fn a_code_that_was_accepted_stays_used() {
    let (_upstream, mut gate) = scene();
    let mut keeper = gate.signed_in("anna");
    let mut acknowledged = 0;
    for moment in MOMENTS {
        let app = format!("for {moment} ms");
        let mut authenticator = gate.enrol_as(&mut keeper, &app);
        let code = authenticator.code();
        let (browser, path, body) = challenge(&gate, &app, &code);
        let jar = cookies(&browser);
        let told = cut(&mut gate, moment, |address| post(address, &jar, &path, &body));
        // Two more sessions try the same code: over all three it counts at most once.
        let first = usize::from(told.is_some_and(|(status, _)| status < 300));
        let counted = first + (0..2).filter(|_| passes(&gate, &app, &code)).count();
        assert!(counted <= 1, "one code counted {counted} times after {moment} ms");
        acknowledged += first;
        gate.setup.command(&["users", "unlock", "anna"], "").expect(0);
    }
    assert!(acknowledged > 0, "no round got as far as an acknowledgement: the moments are too early");
}

#[test]
fn a_recovery_code_that_was_used_stays_used_and_the_others_stay_good() {
    let (_upstream, mut gate) = scene();
    let mut first = gate.signed_in("anna");
    gate.enrol(&mut first);
    let begun = first
        .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "recovery_code" })))
        .json();
    let path = format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().unwrap());
    let done = first.fetch("POST", &gate.portal(&path), Some(&json!({ "code": "saved" })));
    assert!(done.status < 300, "{}", done.text());
    let codes: Vec<String> = begun["setup"]["codes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c.as_str().map(str::to_owned))
        .collect();
    let mut passed = 0;
    for (code, moment) in codes.iter().zip([0, 2, 4, 6, 9, 13, 20, 40]) {
        let mut browser = gate.signed_in("anna");
        let challenge = gate.challenge(&mut browser);
        let path = format!("api/v1/challenges/{}/answer", challenge["id"].as_str().unwrap());
        let body = json!({ "factor": "recovery_code", "code": code });
        let jar = cookies(&browser);
        let told = cut(&mut gate, moment, |address| post(address, &jar, &path, &body));
        let acknowledged = told.is_some_and(|(status, _)| status < 300);
        let mut counted = usize::from(acknowledged);
        for _ in 0..2 {
            let mut thief = gate.signed_in("anna");
            let challenge = gate.challenge(&mut thief);
            counted += usize::from(gate.answer(&mut thief, &challenge, "recovery_code", code).status < 300);
        }
        assert!(counted <= 1, "one code counted {counted} times after {moment} ms");
        passed += usize::from(acknowledged);
        gate.setup.command(&["users", "unlock", "anna"], "").expect(0);
    }
    assert!(passed > 0, "no round got as far as an acknowledgement");
    let mut browser = gate.signed_in("anna");
    let challenge = gate.challenge(&mut browser);
    assert!(
        gate.answer(&mut browser, &challenge, "recovery_code", &codes[9]).status < 300,
        "an unused code stays good"
    );
}

#[test]
fn wrong_answers_stay_counted() {
    let (_upstream, mut gate) = scene();
    let mut first = gate.signed_in("anna");
    let authenticator = gate.enrol(&mut first);
    let mut told_wrong = 0;
    for n in 0..12 {
        let mut browser = gate.signed_in("anna");
        let opened = browser.fetch("POST", &gate.portal("api/v1/challenges"), Some(&json!({})));
        if opened.status == 429 {
            break;
        }
        let path = format!("api/v1/challenges/{}/answer", opened.json()["id"].as_str().unwrap());
        let body = json!({ "factor": "totp", "code": authenticator.wrong(n) });
        let jar = cookies(&browser);
        let told = cut(&mut gate, 30, |address| post(address, &jar, &path, &body));
        match told {
            Some((429, _)) => break,
            Some(_) => told_wrong += 1,
            None => {}
        }
    }
    assert!(told_wrong <= 5, "{told_wrong} wrong answers were told over restarts: the count was lost");
}

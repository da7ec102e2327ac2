//! A factor is switched off while people are in the middle of it: nothing of it counts any more, they are
//! told what to do instead, and the operator is told whom it leaves with nothing.

use serde_json::json;

use crate::support::{Authenticator, Gate, Inbox, Setup, Upstream, wait_until};

fn gate() -> (Upstream, Gate) {
    let app = Upstream::start();
    let (_inbox, port) = Inbox::mail();
    let routes =
        format!("\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n", app.url());
    let gate = Setup::new(&routes)
        .section("factors", "{ totp: { enabled: true }, email: { enabled: true, use_for: [factor], standalone: true } }")
        .section(
            "senders",
            &format!("\n  mail: {{ type: smtp, host: localhost, port: {port}, security: none, from: a@example.com }}"),
        )
        .user("anna", &["--email", "anna@example.com"])
        .user("ben", &["--email", "ben@example.com"])
        .start();
    (app, gate)
}

fn switch(gate: &Gate, on: bool) {
    let from = gate.log().len();
    let text = std::fs::read_to_string(gate.setup.write()).unwrap();
    let off = text.replace("totp: { enabled: true }", "totp: { enabled: false }");
    std::fs::write(gate.setup.path("stepgate.yaml"), if on { text } else { off }).unwrap();
    gate.signal("HUP");
    wait_until("the reload", || gate.log().get(from..)?.contains("has been reloaded").then_some(()));
}

#[test]
fn what_is_off_stops_at_once_and_comes_back_whole() {
    let (_app, gate) = gate();
    let (mut anna, mut app) = gate.enrolled("anna");
    let visit = |gate: &Gate, browser: &mut crate::support::Browser| {
        browser.fetch("GET", &gate.url("localhost", "/x"), None).status
    };
    assert_eq!(visit(&gate, &mut anna), 200);
    // In the middle of a challenge, and of setting up.
    let mut other = gate.signed_in("anna");
    let challenge = gate.challenge(&mut other);
    let mut ben = gate.signed_in("ben");
    let begin = |browser: &mut crate::support::Browser, gate: &Gate| {
        browser.fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "totp" })))
    };
    let begun = begin(&mut ben, &gate).json();
    let mut bens = Authenticator::new(begun["setup"]["key"].as_str().unwrap());
    let confirm = gate.portal(&format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().unwrap()));

    switch(&gate, false);
    assert_eq!(visit(&gate, &mut anna), 401, "what it proved counts no more");
    let answered = gate.answer(&mut other, &challenge, "totp", &app.code());
    assert!((400..500).contains(&answered.status), "{} {}", answered.status, answered.text());
    let confirmed = ben.fetch("POST", &confirm, Some(&json!({ "code": bens.code() })));
    assert!((400..500).contains(&confirmed.status), "{} {}", confirmed.status, confirmed.text());
    let anew = begin(&mut ben, &gate);
    assert!((400..500).contains(&anew.status), "{} {}", anew.status, anew.text());
    assert!(
        gate.audit("challenge.answered")
            .iter()
            .all(|record| record["result"] != "passed")
    );
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "1", "nothing is taken away");

    // The person is led on, and told what there is to do.
    let page = anna.go(&gate.url("localhost", "/x"));
    let text = page.text();
    assert!(page.status < 500 && !text.contains("6 digits"), "{} {text}", page.status);
    assert!(
        text.contains("has been switched off here: Phone") && text.contains("for an invitation"),
        "{text}"
    );

    // The operator is told by the log and by `check`.
    let log = gate.log();
    assert!(log.contains("nobody is asked for it or can add it"), "{log}");
    wait_until("whom it leaves with nothing", || {
        gate.log().contains("people have no other").then_some(())
    });
    let mut command = crate::support::stepgate(&["check", "-c"]);
    command.arg(gate.setup.path("stepgate.yaml"));
    let checked = crate::support::run(&mut command).expect(0);
    assert!(checked.stderr.contains("totp is off: 1 person has no other factor"), "{}", checked.stderr);

    command = crate::support::stepgate(&["users", "invite", "anna", "-c"]);
    command.arg(gate.setup.path("stepgate.yaml"));
    let invited = crate::support::run(&mut command).expect(0);
    assert!(invited.stdout.contains("invitation="), "{}", invited.stdout);

    switch(&gate, true);
    let mut again = gate.signed_in("anna");
    gate.step_up(&mut again, &mut app);
    assert_eq!(visit(&gate, &mut again), 200);
}

//! Planted secrets: whatever a person types or carries appears in no log, no audit record, no metric, no error.

use serde_json::json;

use crate::support::{Form, Gate, Setup, Upstream};

#[test]
fn h05_no_secret_code_cookie_or_password_is_ever_written_down() {
    let upstream = Upstream::start();
    let gate = Setup::new(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n  - {{ name: dead, host: dead.localhost, upstream: \"http://127.0.0.1:1\", require: public }}\n",
        upstream.url()
    ))
    .section("logging", "{ format: json, level: trace }")
    .user("anna", &[])
    .user("ben", &[])
    .start();
    let mut planted: Vec<(&str, String)> = vec![("password", Setup::password("anna"))];

    let (mut anna, mut authenticator) = gate.enrolled("anna");
    planted.push(("enrolment secret", authenticator.secret().to_owned()));
    let challenge = gate.challenge(&mut anna);
    let wrong = authenticator.wrong(77);
    gate.answer(&mut anna, &challenge, "totp", &wrong);
    planted.push(("wrong code", wrong));
    let right = authenticator.code();
    gate.answer(&mut anna, &challenge, "totp", &right);
    planted.push(("right code", right));
    let begun = anna
        .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": "recovery_code" })))
        .json();
    let path = format!("api/v1/enrolments/{}/confirm", begun["id"].as_str().unwrap());
    anna.fetch("POST", &gate.portal(&path), Some(&json!({ "code": "saved" })));
    for code in begun["setup"]["codes"].as_array().unwrap() {
        planted.push(("recovery code", code.as_str().unwrap().to_owned()));
    }

    // Everything again by the pages, and what is typed where it does not belong.
    let mut browser = gate.browser();
    let page = browser.go(&gate.url("localhost", "/x?token=CANARY-IN-QUERY-1"));
    let form = Form::sign_in(&page.text()).unwrap();
    let guess = "CANARY-WRONG-PASSWORD-2";
    browser.submit(&form.clone().fill("username", "anna").fill("password", guess));
    browser.submit(&form.clone().fill("username", "CANARY-PASSWORD-AS-NAME-3").fill("password", "x"));
    let reply = browser.submit(&form.fill("username", "anna").fill("password", &Setup::password("anna")));
    browser.settle(reply);
    let held = "CANARY-FORM-BODY-4".repeat(4);
    browser.post_form(
        &gate.url("localhost", "/save"),
        format!("text={held}").into_bytes(),
        "application/x-www-form-urlencoded",
    );
    planted.extend([
        ("query of the app", "CANARY-IN-QUERY-1".into()),
        ("wrong password", guess.into()),
        ("form body", held),
    ]);

    for (header, value) in [
        ("Authorization", "Bearer CANARY-BEARER-5"),
        ("Cookie", "stepgate-id=CANARYCOOKIE66666666666; stepgate=CANARY.CLAIM.7"),
        ("Stepgate-Code", "totp:424242"),
        ("X-Secret", "CANARY-HEADER-8"),
    ] {
        for host in ["localhost", "dead.localhost", "unknown.localhost"] {
            gate.raw()
                .send(format!(
                    "GET /y HTTP/1.1\r\nHost: {host}\r\n{header}: {value}\r\nConnection: close\r\n\r\n"
                ))
                .reply();
        }
    }
    for canary in [
        "CANARY-BEARER-5",
        "CANARYCOOKIE66666666666",
        "CANARY.CLAIM.7",
        "totp:424242",
        "CANARY-HEADER-8",
    ] {
        planted.push(("header", canary.into()));
    }
    let invitation = gate.setup.command(&["users", "invite", "ben"], "").expect(0).stdout;
    let token = invitation.split("invitation=").nth(1).unwrap_or_default();
    let token = token.split_whitespace().next().unwrap_or_default().to_owned();
    gate.signed_in("ben").go(&gate.portal(&format!("enrol?invitation={token}")));
    planted.push(("invitation", token));
    for host in ["localhost"] {
        for (name, value) in anna
            .cookies
            .get(host)
            .into_iter()
            .flatten()
            .chain(browser.cookies.get(host).into_iter().flatten())
        {
            assert!(value.len() > 5, "{name} is no canary");
            planted.push(("cookie", value.clone()));
        }
    }
    let metrics = gate.operations("/metrics").expect(200).text();
    gate.signal("TERM");
    crate::support::wait_until("the end", || {
        std::fs::read_to_string(format!("/proc/{}/stat", gate.process()))
            .map_or(true, |s| s.contains(") Z "))
            .then_some(())
    });

    let audit = gate.sql("SELECT * FROM audit");
    let log = gate.log();
    assert!(log.len() > 1000, "the log is on: {log}");
    assert!(audit.contains("challenge"), "the audit log is on");
    for (what, secret) in planted {
        assert!(secret.len() >= 6, "{what}: {secret:?} would be found anywhere");
        let bare: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
        for (place, text) in [("log", &log), ("audit", &audit), ("metrics", &metrics)] {
            let found = holds(text, &secret)
                || (secret.contains('-') && what == "recovery code" && text.contains(&bare));
            assert!(
                !found,
                "{what} {secret:?} is in the {place}:\n{}",
                text.lines().find(|l| l.contains(&secret)).unwrap_or_default()
            );
        }
    }
}

/// Six digits are found as a word only: they may well be part of a time or a number.
pub fn holds(text: &str, secret: &str) -> bool {
    if !secret.chars().all(|c| c.is_ascii_digit()) {
        return text.contains(secret);
    }
    text.match_indices(secret).any(|(at, found)| {
        let before = text[..at].chars().last();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_digit() || c == '.') && !after.is_some_and(|c| c.is_ascii_digit())
    })
}

#[test]
fn administrative_acts_and_refusals_are_written_down() {
    let upstream = Upstream::start();
    let gate = Gate::with(&format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard, allow: {{ users: [anna] }}, rules: [{{ path: /never, require: deny }}] }}\n",
        upstream.url()
    ));
    let (mut anna, mut authenticator) = gate.enrolled("anna");
    gate.step_up(&mut anna, &mut authenticator);
    anna.fetch("GET", &gate.url("localhost", "/never"), None).expect(403);
    gate.signed_in("ben")
        .fetch("GET", &gate.url("localhost", "/x"), None)
        .expect(403);
    gate.browser().fetch("GET", &gate.url("localhost", "/x"), None).expect(401);
    gate.setup.command(&["users", "invite", "ben"], "").expect(0);
    gate.setup.command(&["users", "reset", "anna"], "").expect(0);
    let records = crate::support::wait_until("the records to be written", || {
        let records = gate.sql("SELECT json FROM audit ORDER BY n");
        let whole = [
            "/never",
            "\"local:ben\"",
            "\"local:anna\"",
            "enrolment",
            "challenge",
            "sign",
        ]
        .iter()
        .all(|w| records.contains(w) || *w == "/never");
        whole.then_some(records)
    });
    for line in records.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for field in ["at", "what", "result"] {
            assert!(!record[field].is_null(), "{field} is missing in {record}");
        }
    }
    let denied = records.lines().filter(|l| l.contains("den")).count();
    assert!(denied >= 2, "both refusals are there: {records}");
    assert!(records.lines().any(|l| l.contains("127.0.0.1")), "from where");
}

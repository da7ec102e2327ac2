//! Tokens that people have already: imports, counting tokens, temporary codes. `oathtool` and `pyotp` make
//! the codes.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Browser, Finished, Gate, Setup, Upstream, python, run, unix_now};

/// `12345678901234567890123456789012…`, as in RFC 6238.
fn seed(length: usize) -> String {
    "1234567890"
        .bytes()
        .cycle()
        .take(length)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn scene(more: &str) -> (Upstream, Gate) {
    let upstream = Upstream::start();
    let routes = format!(
        "\n  - {{ name: app, host: localhost, upstream: \"{}\", require: standard }}\n",
        upstream.url()
    );
    let factors = format!("\n  hotp: {{ enabled: true }}\n{more}");
    let setup = Setup::new(&routes).section("factors", &factors);
    (upstream, setup.user("anna", &[]).user("ben", &[]).start())
}

fn import(setup: &Setup, format: &str, text: &str, more: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["enrolments", "import", "--format", format, "-"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    setup.command(&arguments, text)
}

fn oathtool(arguments: &[&str]) -> String {
    run(Command::new("oathtool").args(arguments)).expect(0).stdout.trim().to_owned()
}

fn served(gate: &Gate, browser: &mut Browser) -> bool {
    browser.fetch("GET", &gate.url("localhost", "/x"), None).status == 200
}

/// Answers a new challenge of anna's; the status.
fn answer(gate: &Gate, factor: &str, code: &str) -> u16 {
    let mut browser = gate.signed_in("anna");
    let challenge = gate.challenge(&mut browser);
    let reply = gate.answer(&mut browser, &challenge, factor, code);
    assert_eq!(served(gate, &mut browser), reply.status == 200);
    reply.status
}

#[test]
fn every_kind_of_authenticator_app_works_after_an_import() {
    for (algorithm, length) in [("SHA1", 20), ("SHA256", 32), ("SHA512", 64)] {
        for (digits, period) in [("6", "30"), ("6", "60"), ("7", "30"), ("8", "30"), ("8", "60")] {
            let (_upstream, gate) = scene("");
            let secret = seed(length);
            let table = format!(
                "subject,secret_hex,kind,digits,period,algorithm\nanna,{secret},totp,{digits},{period},{algorithm}\n"
            );
            import(&gate.setup, "csv", &table, &["--yes"]).expect(0);
            let totp = format!("--totp={algorithm}");
            let step = format!("{period}s");
            let code = || oathtool(&[&totp, "-d", digits, "-s", &step, &secret]);
            let typed = code();
            assert_eq!(answer(&gate, "totp", &typed), 200, "{algorithm} {digits} {period}");
            assert_eq!(answer(&gate, "totp", &typed), 422, "once");
        }
    }
}

#[test]
fn nothing_is_written_without_yes_nor_when_a_line_is_wrong() {
    let (_upstream, gate) = scene("");
    let good = "otpauth://totp/ACME:anna?secret=GEZDGNBVGY3TQOJQ&issuer=ACME\n\
                otpauth://hotp/ACME:ben?secret=GEZDGNBVGY3TQOJR&counter=7&issuer=ACME\n\
                otpauth://totp/Bank:anna?secret=GEZDGNBVGY3TQOJS&issuer=Bank\n";
    let planned = import(&gate.setup, "otpauth-uris", good, &["--issuer", "ACME"])
        .expect(0)
        .stdout;
    assert!(planned.contains("line 1: local:anna  totp, SHA-1, 6 digits, every 30 s"), "{planned}");
    assert!(planned.contains("line 2: local:ben  hotp, SHA-1, 6 digits, from counter 7"), "{planned}");
    assert!(planned.contains("1 of other issuers left out") && planned.contains("would import 2"));
    let wrong = format!(
        "{good}otpauth://totp/nobody?secret=GEZDGNBVGY3TQOJT\n\
         otpauth://totp/ben?secret=GEZDGNBVGY3TQOJQ\n\
         otpauth://totp/ben?secret=MZXW6\n"
    );
    let refused = import(&gate.setup, "otpauth-uris", &wrong, &["--yes"]).expect(1).stderr;
    for expected in [
        "line 4: there is no local user `nobody`",
        "line 5: the same secret as in line 1",
        "line 6: the secret has 3 bytes",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
    for said in [&planned, &refused] {
        assert!(!said.contains("GEZDGNBV") && !said.contains("MZXW6"), "no secret is printed: {said}");
    }
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "0");
    import(&gate.setup, "otpauth-uris", good, &["--yes"]).expect(0);
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "3");
    assert_eq!(gate.audit("enrolment.imported").len(), 3);
    let again = import(&gate.setup, "otpauth-uris", good, &["--yes"]).expect(1).stderr;
    assert!(again.contains("line 1: local:anna has this token already"), "{again}");
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "3");
}

#[test]
fn what_google_authenticator_exports_is_taken_over() {
    let (_upstream, gate) = scene("");
    // "Hello!\xde\xad\xbe\xef" of alice@google.com, the published example of the format.
    let link = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC\n";
    import(&gate.setup, "otpauth-migration", link, &["--yes", "--subject", "anna"]).expect(0);
    assert_eq!(answer(&gate, "totp", &oathtool(&["--totp", "48656c6c6f21deadbeef"])), 200);
}

#[test]
fn counting_tokens_go_on_where_they_are_and_are_found_again_by_two_codes() {
    let (_upstream, gate) = scene("");
    let table = format!("subject,secret_hex,kind,counter,serial\nanna,{},hotp,5,A-17\n", seed(20));
    import(&gate.setup, "csv", &table, &["--yes"]).expect(0);
    let code = |counter: u32| oathtool(&["--hotp", "-c", &counter.to_string(), &seed(20)]);
    assert_eq!(answer(&gate, "hotp", &code(4)), 422, "before the counter");
    assert_eq!(answer(&gate, "hotp", &code(5)), 200);
    assert_eq!(answer(&gate, "hotp", &code(5)), 422, "used");
    assert_eq!(answer(&gate, "hotp", &code(12)), 200, "some were made and not used");
    assert_eq!(answer(&gate, "hotp", &code(7)), 422, "and do not count any more");
    assert_eq!(answer(&gate, "hotp", &code(60)), 422, "too far ahead");
    assert_eq!(answer(&gate, "hotp", &format!("{} {}", code(61), code(62))), 200, "two in a row");
    assert_eq!(answer(&gate, "hotp", &code(62)), 422);
    assert_eq!(answer(&gate, "hotp", &code(63)), 200);
    let offered = gate.signed_in("ben").fetch(
        "POST",
        &gate.portal("api/v1/enrolments"),
        Some(&json!({ "factor": "hotp" })),
    );
    assert!(offered.status >= 400, "nobody enrols one by themselves");
}

#[test]
fn a_temporary_code_counts_once_and_lets_a_new_factor_be_enrolled() {
    let (_upstream, gate) = scene("");
    let (_old_browser, _lost) = gate.enrolled("anna");
    // What was enrolled in the very second of a proof counts as enrolled by it.
    gate.sql("UPDATE enrolments SET created = created - 60, last_used = last_used - 60");
    let issue = |more: &[&str]| -> Value {
        let arguments: Vec<&str> = ["users", "temporary-code", "anna", "--json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        serde_json::from_str(&gate.setup.command(&arguments, "").expect(0).stdout).unwrap()
    };
    let first = issue(&[]);
    let second = issue(&["--valid-for", "15m"]);
    let lives = second["expires_at"].as_u64().unwrap() - unix_now();
    assert!((800..=900).contains(&lives), "{lives}");
    let mut anna = gate.signed_in("anna");
    let challenge = gate.challenge(&mut anna);
    let code = |issued: &Value| issued["code"].as_str().unwrap().to_owned();
    assert_eq!(
        gate.answer(&mut anna, &challenge, "temporary_code", &code(&first)).status,
        422,
        "replaced"
    );
    let typed = code(&second).to_uppercase().replace('-', " ");
    assert_eq!(gate.answer(&mut anna, &challenge, "temporary_code", &typed).status, 200);
    assert!(served(&gate, &mut anna));
    let mut new = gate.enrol_as(&mut anna, "New phone");
    let mut other = gate.signed_in("anna");
    let challenge = gate.challenge(&mut other);
    let refused = gate.answer(&mut other, &challenge, "temporary_code", &typed).status;
    assert!((400..500).contains(&refused) && !served(&gate, &mut other), "once: {refused}");
    assert_eq!(gate.answer(&mut other, &challenge, "totp", &new.code()).status, 200);
    assert_eq!(gate.audit("temporary_code.issued").len(), 2);
    assert!(!gate.log().contains(&code(&second)));
    gate.setup.command(&["users", "temporary-code", "nobody"], "").expect(1);
    gate.setup
        .command(&["users", "temporary-code", "anna", "--valid-for", "2d"], "")
        .expect(2);
}

#[test]
fn a_large_table_is_all_or_nothing() {
    let (_upstream, gate) = scene("");
    // 2,000 people of another source, whose secrets nobody has seen before.
    let table = python(
        "import secrets\nprint('subject,secret_hex')\nfor n in range(2000): print(f'p{n},{secrets.token_hex(20)}')",
        &[],
    )
    .expect(0)
    .stdout;
    let refused = import(&gate.setup, "csv", &table, &["--yes"]).expect(1).stderr;
    assert!(refused.contains("and 1950 more"), "{refused}");
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "0");
}

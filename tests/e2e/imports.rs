//! Tokens that people have already: imports, counting tokens, temporary codes. `oathtool` and `pyotp` make
//! the codes.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Browser, Finished, Form, Gate, Setup, Upstream, python, run, unix_now};

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
fn a_thousand_people_of_another_system_go_on_with_the_app_they_have() {
    let upstream = Upstream::start();
    let routes =
        format!("- {{ name: app, host: localhost, upstream: \"{}\", require: standard }}", upstream.url());
    let identity = "[{ name: sso, type: trusted-header, from: [127.0.0.1], session: X-Session, attributes: { user: X-User } }]";
    let gate = Setup::new(&routes).section("identity", identity).start();
    // What `authelia storage user totp export csv` writes.
    let table = python(
        "import base64, secrets\n\
         print('issuer,username,algorithm,digits,period,secret')\n\
         for n in range(1000):\n\
         \x20   kind = ['SHA1', 'SHA256', 'SHA512'][n % 3]\n\
         \x20   secret = base64.b32encode(secrets.token_bytes(20 + 4 * (n % 4))).decode().rstrip('=')\n\
         \x20   print(f'Authelia,Person{n}@example.com,{kind},{6 + 2 * (n % 2)},30,{secret}')",
        &[],
    )
    .expect(0)
    .stdout;
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let planned = import(&gate.setup, "csv", &table, &["--source", "sso"]).expect(0).stdout;
    assert!(
        planned.contains("line 1001: sso:person999@example.com  totp, SHA-1, 8 digits"),
        "{planned}"
    );
    assert!(planned.contains("would import 1000; nothing is written"), "{planned}");
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "0");
    import(&gate.setup, "csv", &table, &["--source", "sso", "--yes"]).expect(0);
    assert_eq!(gate.sql("SELECT count(*) FROM enrolments").trim(), "1000");
    assert_eq!(gate.audit("enrolment.imported").len(), 1000);
    // The running gate knows them at once, in whatever case their proxy writes their names.
    for n in [0, 1, 2, 3, 499, 500, 998, 999] {
        let [_, name, algorithm, digits, _, secret] = rows[n][..] else {
            panic!("six columns")
        };
        let mut person = gate.browser();
        person.extra = vec![
            ("X-User".to_owned(), name.to_uppercase()),
            ("X-Session".to_owned(), "one".to_owned()),
        ];
        let page = person.go(&gate.url("localhost", "/x"));
        let lead = "Open your authenticator app (“Phone”) and enter the code it shows for Authelia.";
        assert!(page.text().contains(lead), "{}", page.text());
        assert!(page.text().contains(&format!("{digits} digits")), "{}", page.text());
        let empty = person.submit(&Form::code(&page.text()).unwrap().fill("code", "")).text();
        assert!(empty.contains(&format!("Enter the {digits} digits from your app")), "{empty}");
        let code = oathtool(&[&format!("--totp={algorithm}"), "-d", digits, "-b", secret]);
        let reply = person.submit(&Form::code(&empty).unwrap().fill("code", &code));
        assert_eq!(person.settle(reply).text(), "upstream", "{name}");
    }
}

#[test]
fn several_tokens_of_one_person_can_be_told_apart() {
    let (_upstream, gate) = scene("");
    let secrets = [
        "GEZDGNBVGY3TQOJQ",
        "GEZDGNBVGY3TQOJR",
        "GEZDGNBVGY3TQOJS",
        "GEZDGNBVGY3TQOJT",
    ];
    let table = format!(
        "subject,secret,serial,kind,counter\nanna,{},,,\nanna,{},,,\nanna,{},A-17,hotp,0\nanna,{},1234567,,\n",
        secrets[0], secrets[1], secrets[2], secrets[3]
    );
    import(&gate.setup, "csv", &table, &["--yes"]).expect(0);
    let listed = gate.setup.command(&["enrolments", "list", "anna"], "").expect(0).stdout;
    for name in ["Phone", "Phone 2", "Key fob A-17", "Key fob 1234567"] {
        assert!(listed.lines().any(|line| line.contains(&format!(" {name} "))), "{name}: {listed}");
    }
    let mut anna = gate.signed_in("anna");
    let listed = anna.fetch("GET", &gate.portal("api/v1/enrolments"), None).json();
    assert!(listed.to_string().contains("serial A-17"), "{listed}");
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
    // Out of step: the page says what to do at once, and takes the two codes.
    let mut page = gate.signed_in("anna");
    let shown = page.go(&gate.url("localhost", "/x")).text();
    assert!(
        shown.contains("Press the button of “Key fob A-17” and enter the code it shows."),
        "{shown}"
    );
    let wrong = page.submit(&Form::code(&shown).unwrap().fill("code", &code(760))).text();
    assert!(wrong.contains("press it twice more and enter both codes, one after the other"), "{wrong}");
    assert!(!wrong.contains("tries left"), "{wrong}");
    let both = format!("{} {}", code(761), code(762));
    let reply = page.submit(&Form::code(&wrong).unwrap().fill("code", &both));
    assert_eq!(page.settle(reply).text(), "upstream", "two in a row");
    assert_eq!(answer(&gate, "hotp", &code(762)), 422);
    assert_eq!(answer(&gate, "hotp", &code(763)), 200);
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
    // With what the code itself proved: one replacement, and nothing else.
    let mut with_the_code = anna.clone();
    let listed = with_the_code.fetch("GET", &gate.portal("api/v1/enrolments"), None).json();
    let lost = listed["enrolments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["factor"] == "totp")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let remove = gate.portal(&format!("api/v1/enrolments/{lost}"));
    assert_eq!(with_the_code.fetch("DELETE", &remove, None).status, 403, "it removes nothing");
    let begin = |browser: &mut Browser, factor: &str| {
        browser
            .fetch("POST", &gate.portal("api/v1/enrolments"), Some(&json!({ "factor": factor })))
            .status
    };
    assert_eq!(begin(&mut with_the_code, "recovery_code"), 403, "and makes no spare ones");
    let mut new = gate.enrol_as(&mut anna, "New phone");
    assert_eq!(begin(&mut with_the_code, "totp"), 403, "nor a second replacement");
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
